#!/usr/bin/env bash
# Holds every pinned package against the known vulnerabilities, which pip-audit asks the package index for: this needs the network.
# Ends with 0 when none is known, 1 when one is, 2 when that could not be found out; never with 0 for what was not looked up.
# The ROS wheels (ros-*) are left out: PyPI's advisories do not know them. `make sbom` lists all packages and needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

not_audited() {
    echo "audit: NOT AUDITED: $1. Nothing is known about the packages; run it again where the package index can be reached." >&2
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
said=$(mktemp)
trap 'rm -f "$audited" "$said"' EXIT
grep -hv '^ros-' requirements.txt constraints.txt >"$audited"
status=0
"$venv/bin/pip-audit" --strict --progress-spinner off --no-deps --disable-pip -r "$audited" "$@" 2>"$said" || status=$?
cat "$said" >&2
if [ "$status" -ne 0 ] && ! grep -qE 'known vulnerabilit' "$said"; then
    not_audited "the advisories could not be asked for"
fi
exit "$status"
