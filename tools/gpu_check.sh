#!/usr/bin/env bash
# Checks every GPU path on a machine that has a GPU, in one run of at most 8 minutes, and writes what it found:
#   tools/gpu_check.sh [OUT]        # OUT: doc/results/gpu
# Each step has a limit of its own; a step that fails does not stop the next. OUT/gpu_check.json says what ran, how it ended and how long it
# took; OUT/*.log is the output of each step. Exit code 1 when a step failed, 2 when there is no GPU.
# Uses $PYTHON, else .venv's Python where its PyTorch sees a GPU, else python3. Needs torch, numpy, safetensors, PyYAML, tyro, tqdm, Jinja2,
# matplotlib and pytest; ncps for the comparison; mujoco, gymnasium and PyOpenGL for the training.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-doc/results/gpu}
mkdir -p "$out"
out=$(cd "$out" && pwd)
sees_gpu() { "$1" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' >/dev/null 2>&1; }

python=
for candidate in ${PYTHON:-.venv/bin/python python3}; do
    if sees_gpu "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || { echo "gpu_check: no Python whose PyTorch sees a GPU (tried: ${PYTHON:-.venv/bin/python python3}); see liquid-control doctor" >&2; exit 2; }
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 MUJOCO_GL=${MUJOCO_GL:-egl}

rows="$out/.rows"
: >"$rows"
failed=0
step() { # NAME SECONDS COMMAND...
    local name=$1 limit=$2 began code
    shift 2
    began=$(date +%s.%N)
    echo "gpu_check: $name (at most $limit s): $*" >&2
    timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1
    code=$?
    [ $code = 0 ] || { failed=1; tail -n 15 "$out/$name.log" >&2; }
    printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$code" "$began" "$(date +%s.%N)" "$*" >>"$rows"
}

lc=("$python" -P -m liquid_control)
step tests 150 "$python" -m pytest -q -p no:cacheprovider -rs test/policy/test_gpu_kernels.py test/train/test_device.py
step cells 120 "${lc[@]}" bench cells --gpu-only --out "$out" --json
step training 150 "${lc[@]}" train simulation --device cuda --seed 0 --long-roads 2 --short-roads 4 --steps 100 --rounds 1 --round-roads 2 --round-steps 50 --core-fit.steps 50 --evaluation-roads 2 --out "$out/.model"
step doctor 30 "${lc[@]}" doctor
rm -rf "$out/.model"

"$python" - "$rows" "$out/gpu_check.json" <<'P'
import json, pathlib, subprocess, sys
import torch

steps = []
for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
    name, code, began, ended, command = line.split("\t")
    log = pathlib.Path(sys.argv[2]).with_name(f"{name}.log").read_text(errors="replace").splitlines()
    steps.append({"name": name, "exit_code": int(code), "seconds": round(float(ended) - float(began), 1), "command": command,
                  "last_line": log[-1] if log else ""})
try:
    import triton
    version = triton.__version__
except ImportError:
    version = None
commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() or None
found = {"gpu": torch.cuda.get_device_name(0), "torch": torch.__version__, "cuda": torch.version.cuda, "triton": version, "commit": commit, "steps": steps}
pathlib.Path(sys.argv[2]).write_text(json.dumps(found, indent=1) + "\n")
print(json.dumps(found, indent=1))
P
rm -f "$rows"
exit $failed
