#!/usr/bin/env bash
# Checks every pinned package for known vulnerabilities with pip-audit, which reads them from the package index: this needs the network.
# Exit codes: 0 none is known, 1 at least one is known, 2 not audited; never 0 for packages that were not checked.
# The ROS wheels (ros-*) are excluded: PyPI's advisories do not cover them. `make sbom` lists all packages and needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

not_audited() {
    echo "audit: NOT AUDITED: $1. The packages were not checked; run it again where the package index can be reached." >&2
    exit 2
}

version=2.10.1
venv=.venv/audit
if [ "$(cat "$venv/ready" 2>/dev/null)" != "$version" ]; then
    echo "audit: installing pip-audit into $venv" >&2
    .venv/bin/python -m venv --clear "$venv"
    "$venv/bin/python" -m pip --disable-pip-version-check -q install "pip-audit==$version" >&2 || not_audited "pip-audit cannot be installed"
    echo "$version" >"$venv/ready"
fi
audited=$(mktemp)
messages=$(mktemp)
trap 'rm -f "$audited" "$messages"' EXIT
grep -hv '^ros-' requirements.txt constraints.txt >"$audited"
status=0
"$venv/bin/pip-audit" --strict --progress-spinner off --no-deps --disable-pip -r "$audited" "$@" 2>"$messages" || status=$?
cat "$messages" >&2
if [ "$status" -ne 0 ] && ! grep -qE 'known vulnerabilit' "$messages"; then
    not_audited "the advisories could not be read"
fi
exit "$status"
