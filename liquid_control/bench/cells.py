"""`liquid-control bench cells`: speed of the cells, next to ncps in the same run.

Both sides have the same wiring (an NCP of 19 neurons on 32 inputs), the same weights (`from_ncps`)
and the same threads; ncps keeps its own settings (6 unfolds, a scalar time step), ours get their
usual tensor of time steps. Where PyTorch sees a GPU, both sides run there too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from liquid_control.bench.cells_gpu import gpu, take_turns_on_gpu
from liquid_control.bench.cells_report import table, write_report
from liquid_control.bench.timing import machine, take_turns
from liquid_control.config import check, number, path, switch
from liquid_control.deploy.native.step import LtcStep, WiredCfcStep
from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.policy import from_ncps
from liquid_control.policy.kernels.choose import unroll
from liquid_control.system.threads import cores
from liquid_control.system.verb import Verb

INPUTS, BATCH, TIME = 32, 128, 100
TIMES = (100, 300, 1000, 3000, 10000)
BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
BATCH_OF_TIMES, TIME_OF_BATCHES = 32, 100
PEER_LIMIT = 50_000
"""Samples times steps up to which ncps is part of the scaling measurement: beyond, it takes
gigabytes and minutes."""
PACKAGES = ("torch", "numba", "numpy", "ncps")

FIRST_USE = """
import json, sys, time
import torch
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.choose import unroll
from liquid_control.model.wiring import NcpWiring
cell = LtcCell(NcpWiring.build(), kernel="fused").to(sys.argv[1])
x, dt = torch.zeros(16, 2, 32, device=sys.argv[1]), torch.ones(16, 2, device=sys.argv[1])
def run():
    unroll(cell, x, cell.initial_state(16), dt)[0].sum().backward()
    cell.vleak.grad.sum().item()
first = time.perf_counter(); run(); second = time.perf_counter(); run()
print(json.dumps(second - first))
"""


@dataclasses.dataclass(frozen=True)
class CellsSettings:
    """Settings of `liquid-control bench cells`."""

    out: Path = path(Path("doc/results"), "folder for cells.json and cells.png", writes="folder")
    rounds: int = number(9, 1, 1000, "", "timings of each contender; the median counts")
    threads: int = number(0, 0, 1024, "", "threads of both packages; 0: one per core")
    quick: bool = switch(
        False, "do not measure the cost against time steps and batch, which takes minutes"
    )
    gpu_only: bool = switch(False, "measure on the GPU only")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison, in seconds per call: ncps, ours, and the readable cell where it is another;
    `must` and `aim` are ratios, if there are any. `difference`: largest difference between the
    outputs of the two sides."""

    name: str
    peer: float
    ours: float
    reference: float | None
    must: float | None
    aim: float | None
    difference: float

    @property
    def ratio(self) -> float:
        return self.peer / self.ours


def bench_cells(settings: CellsSettings) -> dict:
    """Measures, writes cells.json and cells.png, and returns what cells.json holds;
    `cells_report.table` shows it.

    The machine should have nothing else to do: threads that wait for a core are counted as work."""
    seen = torch.cuda.is_available()
    if settings.gpu_only and not seen:
        raise ConfigError(
            "CellsSettings.gpu_only",
            True,
            "a machine where torch.cuda.is_available(), or leave it out",
        )
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads or cores())
    try:
        facts = machine(PACKAGES) | {"threads": torch.get_num_threads()} | (gpu() if seen else {})
        result = {"machine": facts, "first_use": _first_use("cuda" if settings.gpu_only else "cpu")}
        rows = []
        with tqdm(
            total=settings.rounds * (0 if settings.gpu_only else 10) + settings.rounds * 6 * seen,
            desc="ncps and ours in turn",
            leave=False,
        ) as bar:
            for name, peer, cell, robot in _pairs():
                if not settings.gpu_only:
                    rows.append(_sequence_row(name, peer, cell, settings.rounds, bar.update))
                    rows.append(_step_row(name, peer, cell, robot, settings.rounds, bar.update))
                if seen:
                    rows.append(
                        _sequence_row(
                            name, peer.cuda(), cell.cuda(), settings.rounds, bar.update, "cuda"
                        )
                    )
        result["rows"] = [dataclasses.asdict(row) | {"ratio": row.ratio} for row in rows]
        result["scaling"] = [] if settings.quick or settings.gpu_only else _scaling(settings.rounds)
    finally:
        torch.set_num_threads(before)
    write_report(result, settings.out)
    return result


def _pairs() -> list[tuple[str, nn.Module, nn.Module, object]]:
    """Name, ncps network, our cell with its weights, our step for robots."""
    try:
        from ncps.torch import LTC, CfC
        from ncps.wirings import NCP
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            error.name, "Install the test extra: pip install 'liquid_control[test]'"
        ) from None
    torch.manual_seed(0)
    ltc, cfc = (kind(INPUTS, NCP(12, 6, 1, 6, 4, 6, 6)) for kind in (LTC, CfC))
    ours = from_ncps.ltc(ltc, kernel="fused"), from_ncps.wired_cfc(cfc, kernel="fused")
    return [
        ("LTC", ltc, ours[0], LtcStep.from_cell(ours[0])),
        ("wired CfC", cfc, ours[1], WiredCfcStep.from_cell(ours[1])),
    ]


def _sequence_row(
    name: str, peer: nn.Module, cell: nn.Module, rounds: int, advance: Callable, device: str = "cpu"
) -> Row:
    x = torch.randn(BATCH, TIME, INPUTS, device=device, requires_grad=True)

    def reference() -> None:
        cell.kernel = "reference"
        _train(cell, x, _ours(cell))
        cell.kernel = "fused"

    contenders = {
        "peer": lambda: _train(peer, x, peer),
        "ours": lambda: _train(cell, x, _ours(cell)),
        "reference": reference,
    }
    with torch.no_grad():
        difference = (peer(x)[0] - _ours(cell)(x)[0]).abs().max().item()
    on_cpu = device == "cpu"
    times = (take_turns if on_cpu else take_turns_on_gpu)(contenders, rounds, advance)
    goals = {("LTC", True): (20, 40), ("wired CfC", True): (5, 15), ("LTC", False): (100, 500)}
    must, aim = goals.get((name, on_cpu), (None, None))
    what = f"{name}, forward + backward{'' if on_cpu else ' on a GPU'}, B={BATCH}, T={TIME}"
    return Row(what, **times, must=must, aim=aim, difference=difference)


def _step_row(
    name: str, peer: nn.Module, cell: nn.Module, robot, rounds: int, advance: Callable
) -> Row:
    x, h = torch.randn(1, INPUTS), cell.initial_state(1)
    sample, state, span = x[0].numpy(), robot.initial_state(), torch.tensor(1.0)
    with torch.inference_mode():
        difference = (
            (peer.rnn_cell(x, h, span)[0][0] - torch.from_numpy(robot.step(sample, state, 1.0)[0]))
            .abs()
            .max()
            .item()
        )
        times = take_turns(
            {
                "peer": lambda: peer.rnn_cell(x, h, span),
                "ours": lambda: robot.step(sample, state, 1.0),
            },
            rounds,
            advance,
        )
    must, aim = (50, 150) if name == "LTC" else (20, 60)
    return Row(
        f"{name}, one step, batch 1",
        **times,
        reference=None,
        must=must,
        aim=aim,
        difference=difference,
    )


def _ours(cell: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    return lambda x: unroll(
        cell, x, cell.initial_state(len(x)), torch.ones(x.shape[:2], device=x.device)
    )


def _train(module: nn.Module, x: Tensor, unroll: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
    """Forward and backward, to all weights and to the inputs."""
    x.grad = None
    module.zero_grad(set_to_none=True)
    y, h = unroll(x)
    (y.sum() + h.sum()).backward()


def _scaling(rounds: int) -> list[dict]:
    """Seconds of forward and backward against time steps and against the batch."""
    sizes = [("T", BATCH_OF_TIMES, time) for time in TIMES] + [
        ("B", batch, TIME_OF_BATCHES) for batch in BATCHES
    ]
    points = []
    for along, batch, time in tqdm(sizes, desc="cost against T and B", leave=False):
        x = torch.randn(batch, time, INPUTS, requires_grad=True)
        for name, peer, cell, _ in _pairs():
            contenders = {"ours": lambda cell=cell, x=x: _train(cell, x, _ours(cell))}
            if batch * time <= PEER_LIMIT:
                contenders["peer"] = lambda peer=peer, x=x: _train(peer, x, peer)
            times = take_turns(contenders, min(rounds, 3))
            points.append({"cell": name, "along": along, "batch": batch, "time": time, **times})
    return points


def _first_use(device: str) -> dict[str, float]:
    """Seconds that the first forward and backward takes on a machine that has never compiled the
    LTC's kernels, and on one that has."""
    with tempfile.TemporaryDirectory() as cache:
        surroundings = {**os.environ, "NUMBA_CACHE_DIR": cache, "TRITON_CACHE_DIR": cache}
        seconds = []
        for _ in range(2):
            command = [sys.executable, "-c", FIRST_USE, device]
            ran = subprocess.run(
                command, env=surroundings, capture_output=True, text=True, check=True
            )
            seconds.append(json.loads(ran.stdout))
    return {"compiling": seconds[0], "cached": seconds[1]}


VERB = Verb(CellsSettings, bench_cells, table)
