#!/usr/bin/env bash
# Mutation testing of control/safety.py: for each small change of its code a test of test/control/test_safety*.py must fail.
# The tests are deterministic, and so is the result. Fails when a mutant survives; takes about a minute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv/mutation
if ! cmp -s tools/mutation.txt "$venv/ready"; then
    echo "mutation: installing mutmut into $venv" >&2
    .venv/bin/python -m venv --clear "$venv"
    "$venv/bin/python" -m pip --disable-pip-version-check -q install -r tools/mutation.txt >&2
    cp tools/mutation.txt "$venv/ready"
fi
rm -rf mutants
OMP_NUM_THREADS=1 "$venv/bin/mutmut" run "$@"
"$venv/bin/mutmut" results
"$venv/bin/mutmut" export-cicd-stats >/dev/null
"$venv/bin/python" -c '
import json, sys
stats = json.load(open("mutants/mutmut-cicd-stats.json"))
print("mutation: {killed} of {total} mutants killed".format(**stats))
sys.exit(not stats["killed"] == stats["total"] > 300)'
