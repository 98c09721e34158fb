#!/usr/bin/env bash
# Holds every pinned package against the known vulnerabilities, which pip-audit asks the package index for: this needs the network.
# Fails when one is known, or when a package could not be looked up. The ROS wheels (ros-*) are left out: PyPI's advisories do not know them.
# `make audit ARGS="-f cyclonedx-json -o sbom.json"` writes a software bill of materials instead of a table.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=2.10.1
venv=.venv/audit
if [ "$(cat "$venv/ready" 2>/dev/null)" != "$version" ]; then
    echo "audit: installing pip-audit into $venv" >&2
    .venv/bin/python -m venv --clear "$venv"
    "$venv/bin/python" -m pip --disable-pip-version-check -q install "pip-audit==$version" >&2
    echo "$version" >"$venv/ready"
fi
audited=$(mktemp)
trap 'rm -f "$audited"' EXIT
grep -hv '^ros-' requirements.txt constraints.txt >"$audited"
"$venv/bin/pip-audit" --strict --progress-spinner off --no-deps --disable-pip -r "$audited" "$@"
