"""The GPU, which training can use."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from liquid_control.cli.checks.finding import NOTE, OK, Finding, is_importable, probe
from liquid_control.cli.checks.packages import check_package

LONGEST = 30.0


def check() -> list[Finding]:
    return list(_check())


def _check() -> Iterator[Finding]:
    listed = _list_devices()
    found = listed.replace("\n", "; ") or "none; the CPU is enough to drive"
    yield Finding("gpu", "device", OK if listed else NOTE, found)
    providers, error = probe("cli.checks.gpu", "onnx_providers")
    found = ", ".join(providers) if providers else error
    yield Finding("gpu", "onnxruntime", OK if providers else NOTE, found)
    if listed:
        yield from _training()


def _list_devices() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=LONGEST)
    return done.stdout.strip()


def _training() -> Iterator[Finding]:
    """Whether training can use the GPU."""
    result, error = probe("cli.checks.gpu", "torch_devices")
    advice = "Install PyTorch for GPUs to train on it; driving needs neither."
    if result is None:
        yield Finding("gpu", "torch", NOTE, error, advice)
        return
    version, seen, capability = result
    if not seen:
        yield Finding("gpu", "torch", NOTE, f"{version} does not see it", advice)
        return
    yield Finding("gpu", "torch", OK, f"{version}, compute capability {capability}")
    if is_importable("triton"):
        yield check_package("gpu", "triton")
    else:
        advice = "pip install triton; without it the fused kernels of the cells do not run."
        yield Finding("gpu", "triton", NOTE, "not installed", advice)


def onnx_providers() -> list[str]:
    import onnxruntime

    return onnxruntime.get_available_providers()


def torch_devices() -> tuple[str, bool, str | None]:
    """(version of PyTorch, whether it sees a GPU, that one's compute capability)."""
    import torch

    if not torch.cuda.is_available():
        return torch.__version__, False, None
    return torch.__version__, True, ".".join(map(str, torch.cuda.get_device_capability()))
