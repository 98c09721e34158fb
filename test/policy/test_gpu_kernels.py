"""The triton kernels against the readable cells: on a GPU where there is one, and everywhere in
triton's interpreter on the CPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from circuits import NCP, TINY, inputs, shifted, with_gradients

from liquid_control.errors import ConfigError, MissingDependencyError, NotFiniteError, TimeError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.sequence_checks import blank_masked, check_at_once
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels.choose import find_kernel, unroll

INTERPRETED, TRITON = (
    "TRITON_INTERPRET" in os.environ,
    importlib.util.find_spec("triton") is not None,
)
DEVICE = "cpu" if INTERPRETED else "cuda"
LARGE = NcpWiring.build(
    inputs=37,
    inter=20,
    command=9,
    motor=3,
    sensory_fanout=5,
    inter_fanout=3,
    recurrent_command=9,
    motor_fanin=4,
    seed=7,
)
FREE = FreeWiring.sparse(inputs=9, neurons=40, motor=2, sparsity=0.4)
CELLS = {
    "ltc": lambda wiring: LtcCell(wiring, unfolds=3),
    "affine": lambda wiring: LtcCell(wiring, unfolds=1, affine=True),
    "wired": lambda wiring: WiredCfcCell(wiring),
    "dense_time": lambda wiring: WiredCfcCell(wiring, variant="no_gate", dense_time=True),
    "dense": lambda wiring: CfcCell(wiring.inputs, wiring.neurons, backbone=0),
}
PLACES = {"tiny": TINY, "ncp": NCP, "odd": LARGE, "free": FREE}
CASES = [(place, torch.float64, 1e-12) for place in PLACES] + [
    ("ncp", torch.float32, 1e-5)
]  # the interpreter takes its time
CASES += [] if INTERPRETED else [(place, torch.float32, 1e-5) for place in ("tiny", "odd", "free")]

if INTERPRETED:
    from triton.runtime import interpreter

    patch_tensor = interpreter._patch_lang_tensor

    def _patch_tensor(tensor, scope):
        """triton before 3.8 takes int() of an array of one number, which numpy from 2.4 on
        refuses."""
        patch_tensor(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    interpreter._patch_lang_tensor = _patch_tensor

kernels = pytest.mark.skipif(
    not (TRITON and (INTERPRETED or torch.cuda.is_available())),
    reason="no GPU here; test_in_the_interpreter runs these on the CPU",
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def make(kind, wiring, dtype):
    return shifted(CELLS[kind](wiring).to(DEVICE, dtype))


def gpu_kernel(cell, x, mask=None):
    """A GPU's kernel, wherever the tensors are."""
    return find_kernel(cell, x, mask, device="cuda")


def unroll_fused(cell, x, h, dt, is_first=None, mask=None):
    """As `unroll` on a GPU, wherever the tensors are."""
    x, dt, is_first = blank_masked(x, dt, is_first, mask)
    return gpu_kernel(cell, x, mask)(cell, x, h, dt, is_first, mask)


@kernels
@pytest.mark.parametrize("place, dtype, tolerance", CASES)
@pytest.mark.parametrize("kind", CELLS)
def test_outputs_and_all_gradients_are_the_readable_cells(kind, place, dtype, tolerance):
    cell = make(kind, PLACES[place], dtype)
    sizes = ((3, 2, 0), (2, 3, 2)) if INTERPRETED else ((1, 1, 0), (3, 9, 2), (130, 20, 2))
    for batch, time, options in sizes:
        x, h, dt, *more = inputs(cell, batch, time, dtype)
        ours = with_gradients(
            lambda *tensors: unroll_fused(cell, *tensors), cell, x, h, dt, *more[:options]
        )
        plain = with_gradients(cell.unroll, cell, x, h, dt, *more[:options])
        for one, other in zip(ours, plain, strict=True):
            assert one.shape == other.shape and one.dtype == other.dtype
            assert (one - other).abs().max() <= tolerance * max(1.0, other.abs().max().item())


@kernels
@pytest.mark.parametrize("kind", ["ltc", "wired"])
def test_gradients_by_finite_differences(kind):
    cell = make(kind, TINY, torch.float64)
    x, h, dt, is_first, mask = inputs(cell, 2, 2, torch.float64)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, h, dt)]
    assert torch.autograd.gradcheck(
        lambda *tensors: unroll_fused(cell, *tensors, is_first, mask),
        leaves,
        nondet_tol=0.0,
        fast_mode=True,
    )


@kernels
@pytest.mark.parametrize("kind", ["ltc", "wired"])
def test_the_same_bits_again_and_without_gradients(kind):
    cell = make(kind, NCP, torch.float32)
    data = inputs(cell, 3 if INTERPRETED else 300, 3, torch.float32)
    first, again = (
        with_gradients(lambda *tensors: unroll_fused(cell, *tensors), cell, *data) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    with torch.no_grad():
        assert torch.equal(unroll_fused(cell, *data)[0], first[0])


@kernels
@pytest.mark.parametrize("kind", ["ltc", "wired"])
def test_any_memory_layout_huge_inputs_and_an_empty_batch(kind):
    cell = make(kind, NCP, torch.float32)
    x, h, dt, is_first, _ = inputs(cell, 4, 3, torch.float32)
    wanted, _ = unroll_fused(cell, x, h, dt, is_first)
    turned = (
        x.transpose(0, 1).contiguous().transpose(0, 1),
        h.double(),
        dt.T.contiguous().T,
        is_first.T.float().contiguous().T,
    )
    assert torch.equal(unroll_fused(cell, *turned)[0], wanted)
    assert (
        unroll_fused(cell, x * 1e30, h, dt)[0] - cell.unroll(x * 1e30, h, dt)[0]
    ).abs().max() < 1e-5
    y, last = unroll_fused(cell, x[:0], h[:0], dt[:0])
    (y.sum() + last.sum() + x.sum()).backward() if y.requires_grad else None
    assert y.shape == (0, 3, 1) and last.shape == (0, 19)


@kernels
def test_what_no_kernel_does():
    x = torch.zeros(2, 3, 32, device=DEVICE)
    large = FreeWiring.fully_connected(32, 65)
    for cell in (
        LtcCell(large),
        WiredCfcCell(large),
        CfcCell(32, 65, 0),
        WiredCfcCell(NCP, "pure"),
        CfcCell(32, 19, 8),
    ):
        assert gpu_kernel(cell.to(DEVICE), x) is None
    cell = LtcCell(NCP).to(DEVICE)
    assert (
        gpu_kernel(cell, x) is not None
        and gpu_kernel(cell, x.half()) is None
        and gpu_kernel(cell.double(), x) is None
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("kind", CELLS)
def test_on_a_gpu_unroll_takes_them_by_itself_and_refuses_bad_numbers(kind):
    cell = make(kind, NCP, torch.float32)
    data = inputs(cell, 6, 5, torch.float32)
    assert "_gpu" in find_kernel(cell, data[0], None).__module__
    assert torch.equal(unroll(cell, *data)[0], unroll_fused(cell, *data)[0])
    bad_numbers = (
        (0, torch.inf, NotFiniteError),
        (1, torch.nan, NotFiniteError),
        (2, 0.0, TimeError),
        (2, torch.nan, TimeError),
    )
    for place, value, error in bad_numbers:
        bad = [part.clone() for part in data[:3]]
        bad[place][1, 2] = value
        with pytest.raises(error):
            unroll(cell, *bad)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_cuda_graph_can_hold_an_unroll():
    cell = make("ltc", NCP, torch.float32)
    x, h, dt, *_ = inputs(cell, 6, 5, torch.float32)
    with torch.no_grad():
        wanted = unroll(cell, x, h, dt)[0]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y, _ = unroll(cell, x, h, dt)
        y.zero_()
        graph.replay()
    assert torch.equal(y, wanted)


@pytest.mark.parametrize(
    "place, value, error",
    [
        ("x", torch.nan, NotFiniteError),
        ("h", -torch.inf, NotFiniteError),
        ("dt", 0.0, TimeError),
        ("dt", -1.0, TimeError),
        ("dt", torch.inf, TimeError),
        ("dt", torch.nan, TimeError),
    ],
)
def test_one_look_finds_what_the_checks_on_the_cpu_find(place, value, error):
    values = {
        "x": torch.full((2, 3, 4), 3e38),
        "h": torch.randn(2, 5, dtype=torch.float64),
        "dt": torch.rand(2, 3) + 0.1,
    }
    assert check_at_once(**values) is values["dt"]
    values[place][1, 2] = value
    with pytest.raises(error, match=str(value)):
        check_at_once(**values)


def test_without_triton_auto_takes_the_readable_cell_and_fused_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    for name in [name for name in sys.modules if name.endswith("_gpu") or ".triton_" in name]:
        monkeypatch.delitem(sys.modules, name)
    x = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float32)
    assert find_kernel(LtcCell(TINY), x, None) is None
    with pytest.raises(MissingDependencyError, match="triton"):
        find_kernel(LtcCell(TINY, kernel="fused"), x, None)


def test_a_kernel_is_refused_by_name_where_the_device_has_none():
    x = SimpleNamespace(device=torch.device("meta"), dtype=torch.float32)
    with pytest.raises(ConfigError, match="meta"):
        find_kernel(LtcCell(TINY, kernel="fused"), x, None)


@pytest.mark.skipif(
    INTERPRETED or not TRITON,
    reason="triton is not installed (it has wheels for Linux only), or this is the interpreter",
)
def test_in_the_interpreter():
    """In a separate process: triton reads the variable when it is imported, and its LLVM must not
    meet Mesa's."""
    surroundings = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "not on_a_gpu and not cuda_graph",
        __file__,
    ]
    ran = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert " passed" in ran.stdout and "failed" not in ran.stdout
