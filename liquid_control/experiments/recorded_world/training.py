"""Training by the documented command, once for each set of inputs and flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.steps import once, run_command


@dataclasses.dataclass(frozen=True)
class Trained:
    """`model`: its folder. `about`: command, commit, seconds of the whole command and what it said
    of the closed loop."""

    model: Path
    about: dict


def trained(
    settings: RecordedWorldSettings,
    recordings: Sequence[Path],
    out: Path,
    seed: int,
    flags: Sequence[str | Path] = (),
    described: object = None,
) -> Trained:
    """`train recordings RECORDINGS --seed SEED --out OUT FLAGS`. `described`: what else decides the
    outcome, such as the content of files that are named."""
    words = ["train", "recordings", *recordings, *flags, "--seed", str(seed), "--out", out]
    words += ["--cache", settings.out / "cache"]
    if settings.workers:
        words += ["--workers", str(settings.workers)]
    words = [str(word) for word in words]
    made = once(
        out / "training.json", {"words": words, "described": described}, lambda: run_command(*words)
    )
    found = made["found"]
    about = {
        "command": "liquid-control " + " ".join(_shortened(words, recordings)),
        "commit": made["commit"],
        "training_s": round(found["seconds"], 1),
        "held_out": found["facts"].get("held_out"),
        "closed_loop": found["facts"].get("closed_loop"),
    }
    return Trained(out / "model", about)


def _shortened(words: Sequence[str], recordings: Sequence[Path]) -> list[str]:
    """The words with one in place of all recordings, and without folders of this machine."""
    given = set(map(str, recordings))
    shown = "RECORDING" if len(given) == 1 else f"RECORDINGS ({len(given)})"
    kept = [
        Path(word).name if Path(word).is_absolute() else word for word in words if word not in given
    ]
    return [*kept[:2], shown, *kept[2:]]
