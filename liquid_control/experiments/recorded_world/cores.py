"""Recurrent cores on real recordings: the same training with each core and three seeds, judged open
loop by `replay` and in closed loop by `evaluate --world recording:`."""

from __future__ import annotations

import statistics
from pathlib import Path

from liquid_control.errors import ConfigError
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.training import trained
from liquid_control.experiments.recorded_world.tubs import examine_model, split_tub

CORES = {
    "ltc": (),
    "gru": ("--core", "gru"),
    "lstm": ("--core", "lstm", "--policy.core.units", "64"),
    "feedforward": ("--core", "feedforward", "--policy.core.units", "64"),
}
"""Flags of each core, in the sizes of `model.cores.PRESETS`."""

FOLD = 0
"""Of the tubs: every core learns from the same segments and is examined on the same."""


def compare_cores(settings: RecordedWorldSettings) -> dict:
    """Figures of each run, and mean and standard deviation over the seeds of each core, for the
    track and the walls where they are given."""
    tubs = {name: getattr(settings, name) for name in ("tub", "walls")}
    tubs = {name: tub for name, tub in tubs.items() if tub is not None}
    if not tubs or settings.tub_vehicle is None:
        raise ConfigError(
            "cores", "no recording", "--tub TUB or --walls TUB, and --tub-vehicle FILE"
        )
    answer = {}
    for name, tub in tubs.items():
        runs = {}
        for seed in range(settings.seed, settings.seed + settings.seeds):
            for core in CORES:
                runs[f"{core}_{seed}"] = {
                    "core": core,
                    "seed": seed,
                    **_one(settings, name, tub, core, seed),
                }
        cores = {core: [run for run in runs.values() if run["core"] == core] for core in CORES}
        answer[name] = {
            "cores": {core: spread(of_core) for core, of_core in cores.items()},
            "runs": runs,
        }
    return answer


def _one(settings: RecordedWorldSettings, name: str, tub: Path, core: str, seed: int) -> dict:
    folder = settings.out / name / f"fold_{FOLD}"
    learned, held_out = split_tub(tub, folder, FOLD)
    vehicle = settings.tub_vehicle
    out = folder / f"core_{core}_{seed}"
    words = ["--vehicle", vehicle, *CORES[core], *settings.flags.split()]
    made = trained(settings, [learned], out, seed, words, vehicle.read_text())
    return {**made.about, **examine_model(settings, made.model, held_out, vehicle, out)}


def spread(runs: list[dict]) -> dict:
    """Mean and standard deviation of each figure over runs."""
    values = {
        "r2": [run["steering"]["r2"] for run in runs],
        "mae": [run["steering"]["mae"] for run in runs],
        "departures": [run["departures"] for run in runs],
        "put_backs": [run["put_backs"] for run in runs],
        "lateral_rmse_m": [run["lateral_rmse_m"] for run in runs],
    }
    return {"runs": len(runs)} | {
        name: {
            "mean": statistics.fmean(of_name),
            "sd": statistics.stdev(of_name) if len(of_name) > 1 else None,
        }
        for name, of_name in values.items()
    }
