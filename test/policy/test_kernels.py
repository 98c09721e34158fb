from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import threading

import pytest
import torch
from circuits import FREE, NCP, ODD, TINY, inputs, shifted, with_gradients

from liquid_control.errors import ConfigError
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels import choose
from liquid_control.policy.kernels.choose import find_kernel

CELLS = {
    "ltc": lambda wiring: LtcCell(wiring, unfolds=3, kernel="fused"),
    "wired": lambda wiring: WiredCfcCell(wiring, kernel="fused"),
    "dense": lambda wiring: CfcCell(wiring.inputs, wiring.neurons, backbone=0, kernel="fused"),
}
VARIANTS = {
    "affine": lambda wiring: LtcCell(wiring, unfolds=2, affine=True, kernel="fused"),
    "dense_time": lambda wiring: WiredCfcCell(wiring, dense_time=True, kernel="fused"),
    "no_gate": lambda wiring: WiredCfcCell(wiring, variant="no_gate", kernel="fused"),
    "dense_no_gate": lambda wiring: CfcCell(
        wiring.inputs, wiring.neurons, backbone=0, variant="no_gate", kernel="fused"
    ),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def make(kind, wiring, dtype=torch.float32):
    return shifted((CELLS | VARIANTS)[kind](wiring).to(dtype))


def unroll(cell, kernel, *tensors):
    cell.kernel = kernel
    return with_gradients(lambda *given: choose.unroll(cell, *given), cell, *tensors)


@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["float32", "float64"]
)
@pytest.mark.parametrize("wiring", [NCP, ODD, FREE], ids=["ncp", "odd", "free"])
@pytest.mark.parametrize("kind", [*CELLS, *VARIANTS])
def test_equal_to_the_readable_cell(kind, wiring, dtype, tolerance):
    cell = make(kind, wiring, dtype)
    for batch, time, options in ((1, 1, 0), (3, 9, 1), (16, 2, 0), (37, 5, 2)):
        x, h, dt, *more = inputs(cell, batch, time, dtype)
        results = [
            unroll(cell, kernel, x, h, dt, *more[:options]) for kernel in ("fused", "reference")
        ]
        for fused, plain in zip(*results, strict=True):
            assert fused.shape == plain.shape and fused.dtype == plain.dtype
            assert (fused - plain).abs().max() <= tolerance * max(1.0, plain.abs().max().item())


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_by_finite_differences(kind):
    cell = make(kind, TINY, torch.float64)
    x, h, dt, is_first, mask = inputs(cell, 3, 3, torch.float64)
    names, values = zip(*cell.named_parameters(), strict=True)

    def run(x, h, dt, *parameters):
        named = {
            f"cell.{name}": parameter for name, parameter in zip(names, parameters, strict=True)
        }
        return torch.func.functional_call(Unroll(cell), named, (x, h, dt, is_first, mask))

    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, h, dt, *values)]
    assert torch.autograd.gradcheck(run, leaves)


class Unroll(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, *arguments):
        return choose.unroll(self.cell, *arguments)


@pytest.mark.parametrize("kind", CELLS)
def test_the_number_of_threads_changes_no_bit(kind, threads):
    cell = make(kind, NCP)
    data = inputs(cell, 100, 6)
    results = []
    for count in (1, 2, 5):
        threads(count)
        results.append(unroll(cell, "fused", *data))
    for one, two, five in zip(*results, strict=True):
        assert torch.equal(one, two) and torch.equal(one, five)


@pytest.mark.parametrize("kind", CELLS)
def test_without_gradients_the_same_bits(kind):
    cell = make(kind, NCP)
    data = inputs(cell, 20, 4)
    y, last = choose.unroll(cell, *data)
    with torch.no_grad():
        y_free, last_free = choose.unroll(cell, *data)
    assert y.requires_grad and not y_free.requires_grad
    assert torch.equal(y, y_free) and torch.equal(last, last_free)


@pytest.mark.parametrize("kind", CELLS)
def test_nan_affects_its_own_sample_only(kind):
    """`unroll` refuses NaN; should one get past it, it must not be lost either."""
    cell = make(kind, NCP)
    x, h, dt, *_ = inputs(cell, 40, 5)
    clean, _ = choose.unroll(cell, x, h, dt)
    x[21, 2, :] = torch.nan
    y, last = find_kernel(cell, x, None)(cell, x, h, dt, None, None)
    assert y[21, 2:].isnan().all() and last[21, : cell.outputs].isnan().all()
    y[21, 2:] = clean[21, 2:]
    assert torch.equal(y, clean)


@pytest.mark.parametrize("kind", CELLS)
def test_masked_inputs_have_no_effect_whatever_they_hold(kind):
    cell = make(kind, NCP)
    x, h, dt, *_ = inputs(cell, 2, 6)
    mask = torch.tensor([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1]]).bool()
    x[~mask], dt[~mask] = torch.nan, -1.0
    y, last = choose.unroll(cell, x, h, dt, None, mask)
    for row in range(2):
        seen = mask[row]
        short, short_last = choose.unroll(
            cell, x[row : row + 1, seen], h[row : row + 1], dt[row : row + 1, seen]
        )
        assert torch.equal(y[row, seen], short[0]) and torch.equal(last[row], short_last[0])
    assert (
        torch.equal(y[0, 2], y[0, 1])
        and torch.equal(y[0, 5], y[0, 3])
        and torch.equal(y[1, 0], h[1, : cell.outputs])
    )


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("size", [1e3, 1e30])
def test_huge_inputs_saturate_as_in_the_readable_cell(kind, size):
    cell = make(kind, NCP)
    x, h, dt, *more = inputs(cell, 5, 4)
    results = [
        unroll(cell, kernel, x * size, h, dt, *more)[:2] for kernel in ("fused", "reference")
    ]
    for fused, plain in zip(*results, strict=True):
        assert torch.allclose(fused, plain, atol=1e-5)


@pytest.mark.parametrize("kind", CELLS)
def test_any_memory_layout_and_mixed_types_of_state_and_time(kind):
    cell = make(kind, NCP)
    x, h, dt, is_first, _ = inputs(cell, 7, 4)
    wanted, _ = choose.unroll(cell, x, h, dt, is_first)
    got, _ = choose.unroll(
        cell,
        x.transpose(0, 1).contiguous().transpose(0, 1),
        h.double(),
        dt.T.contiguous().T,
        is_first.T.contiguous().T,
    )
    assert torch.equal(got, wanted)
    expanded, _ = choose.unroll(cell, x, h[:1].expand(7, -1), dt[:1, :1].expand(7, 4))
    plain, _ = choose.unroll(cell, x, h[:1].repeat(7, 1), dt[:1, :1].repeat(7, 4))
    assert torch.equal(expanded, plain)


def test_an_empty_batch_is_no_error():
    cell = make("ltc", NCP)
    y, h = choose.unroll(cell, torch.zeros(0, 3, 32), torch.zeros(0, 19), torch.zeros(0, 3))
    assert y.shape == (0, 3, 1) and h.shape == (0, 19)


def test_fused_is_chosen_where_it_applies_and_refused_where_not():
    x = torch.zeros(2, 3, 32)
    for make_cell in CELLS.values():
        cell = make_cell(NCP)
        assert find_kernel(cell, x, None) is not None
        cell.kernel = "reference"
        assert find_kernel(cell, x, None) is None
        cell.kernel = "auto"
        assert find_kernel(cell, x.half(), None) is None
        cell.kernel = "fused"
        with pytest.raises(ConfigError, match="float16"):
            find_kernel(cell, x.half(), None)
        assert find_kernel(cell.double(), x.double(), None) is not None
        with pytest.raises(ConfigError):
            find_kernel(cell, x, None)
    for cell in (
        WiredCfcCell(NCP, "pure"),
        WiredCfcCell(NCP, "mixed_memory"),
        CfcCell(32, 19, 0, "pure"),
    ):
        assert find_kernel(cell, x, None) is None


def _in_child(queue, cell, data):
    queue.put(choose.unroll(cell, *data)[0].sum().item())


def test_a_forked_process_can_use_the_kernels_too(threads):
    threads(2)
    cell = make("ltc", NCP)
    data = inputs(cell, 64, 3)
    with torch.no_grad():
        wanted = choose.unroll(cell, *data)[0].sum().item()
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(queue, cell, data))
        child.start()
        assert queue.get(timeout=60) == wanted
        child.join(60)
    assert child.exitcode == 0


def test_several_threads_may_unroll_at_once(threads):
    threads(2)
    cell = make("wired", NCP)
    data = [inputs(cell, 50, 4) for _ in range(4)]
    wanted = [choose.unroll(cell, *d)[0] for d in data]
    got = [None] * 4

    def work(i):
        for _ in range(5):
            got[i] = choose.unroll(cell, *data[i])[0]

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


PROGRAM = """
import torch
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels.choose import find_kernel, unroll
torch.manual_seed(0)
cell, x, dt = WiredCfcCell(NcpWiring.build()), torch.randn(2, 3, 32), torch.ones(2, 3)
y = unroll(cell, x, cell.initial_state(2), dt)[0]
wanted = cell.unroll(x, cell.initial_state(2), dt)[0]
print(find_kernel(cell, x, None) is not None, bool((y - wanted).abs().max() < 1e-5))
"""


CASES = """
import json, os, pathlib, sys, traceback
import torch  # before the processes part: its import takes longer than the rest of a case
program, cache, cases = json.loads(sys.argv[1])
for before, changes in cases:
    if os.fork() == 0:
        os.environ.update(changes)
        try:
            exec(before + program)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(0)
    os.wait()
    for kept in pathlib.Path(cache).rglob("*.nb?"):
        os.truncate(kept, kept.stat().st_size // 2)
"""


def test_without_a_cache_or_without_numba(tmp_path):
    """No cache can be kept, its files are cut, or nothing can be compiled at all."""
    (tmp_path / "a file").write_text("")
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
    cases = [
        ("", {"NUMBA_DISABLE_JIT": "1"}),
        ("", {"NUMBA_CACHE_DIR": str(tmp_path / "a file" / "cache")}),
        (full + "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)", cache),
        ("", cache),
        ("", cache),
    ]
    done = subprocess.run(
        [sys.executable, "-c", CASES, json.dumps([PROGRAM, str(tmp_path / "cache"), cases])],
        capture_output=True,
        text=True,
        timeout=300,
    )
    answers = [f"{kernel} True" for kernel in (False, True, True, True, True)]
    assert done.stdout.splitlines() == answers, done.stderr
    assert list((tmp_path / "cache").rglob("*.nb?"))
