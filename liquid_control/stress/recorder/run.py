"""`liquid-control soak recorder`: what of a recording is left after a cut, a kill and a full
disk."""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from liquid_control.config import check, number, path
from liquid_control.stress.recorder.cuts import check_cuts, check_full, check_kill
from liquid_control.system.files import write_atomically
from liquid_control.system.verb import Verb

MOST_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class RecorderSoakSettings:
    """Settings of `liquid-control soak recorder`."""

    cuts: int = number(500, 0, 100_000, "", "places at which a recording is cut")
    kills: int = number(500, 0, 100_000, "", "recorders that are killed while they write")
    full: int = number(50, 0, 100_000, "", "recorders whose disk takes no more")
    jobs: int = number(4, 1, 64, "", "recorders at a time")
    seed: int = number(0, 0, 2**31 - 1, "", "of the places and times")
    out: Path | None = path(None, "folder for recorder_cuts.json", writes="folder")

    def __post_init__(self) -> None:
        check(self)


def soak_recorder(settings: RecorderSoakSettings) -> dict:
    """Counts of each part and what went wrong; writes them where a folder is named."""
    result: dict[str, object] = {"command": " ".join(["liquid-control", *sys.argv[1:]])}
    with tempfile.TemporaryDirectory(prefix="soak-recorder-") as scratch:
        place = Path(scratch)
        with tqdm(
            total=settings.cuts + settings.kills + settings.full, leave=False, disable=None
        ) as bar:
            cuts = []
            for wrong in check_cuts(place, settings.cuts, random.Random(settings.seed)):
                cuts.append(wrong)
                bar.update()
            result["cuts"] = _counted(cuts)
            for name, one in (("kills", check_kill), ("full", check_full)):
                count = getattr(settings, name)
                result[name] = _counted(
                    _many(
                        one,
                        place / name,
                        range(settings.seed, settings.seed + count),
                        settings,
                        bar,
                    )
                )
    if settings.out is not None:
        settings.out.mkdir(parents=True, exist_ok=True)
        with write_atomically(settings.out / "recorder_cuts.json") as partial:
            partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def table(result: Mapping) -> str:
    """A line for each part, then what went wrong."""
    lines = []
    for name in ("cuts", "kills", "full"):
        part = result[name]
        lines.append(f"{name}: {part['readable']} of {part['tried']} readable to the last second")
        lines += [f"  {wrong}" for wrong in part["wrong"]]
    return "\n".join(lines)


def succeeded(result: Mapping) -> bool:
    return not any(result[name]["wrong"] for name in ("cuts", "kills", "full"))


def _counted(found: list[str]) -> dict:
    wrong = [one for one in found if one]
    return {"tried": len(found), "readable": len(found) - len(wrong), "wrong": wrong[:MOST_SHOWN]}


def _many(
    one: Callable[[Path, int], str],
    place: Path,
    seeds: range,
    settings: RecorderSoakSettings,
    bar: tqdm,
) -> list[str]:
    def tried(seed: int) -> str:
        with tempfile.TemporaryDirectory(prefix=f"{seed}-", dir=place) as folder:
            wrong = one(Path(folder), seed)
        bar.update()
        return wrong

    place.mkdir()
    with ThreadPoolExecutor(settings.jobs) as pool:
        return list(pool.map(tried, seeds))


VERB = Verb(RecorderSoakSettings, soak_recorder, table, succeeded)
