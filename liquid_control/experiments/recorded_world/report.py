"""The table of all measurements, from their JSON files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from liquid_control.system.files import read_json, write_atomically

Row = tuple[str, str, str, str]
"""What, figures, what must be reached, the aim."""


def write_summary(results: Path) -> None:
    """`summary.md` next to the JSON files that are there."""
    lines = [
        "# Measurements of the recorded world",
        "",
        "Written by `liquid-control bench recorded-world`; command, commit and settings are in the "
        "JSON files.",
        "",
        "| what | measured | must | aim |",
        "|---|---|---|---|",
    ]
    for part, rows in PARTS.items():
        file = results / f"{part}.json"
        if file.exists():
            lines += ["| " + " | ".join(row) + " |" for row in rows(read_json(file))]
    with write_atomically(results / "summary.md") as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pictures(found: Mapping) -> Iterator[Row]:
    for mount in ("measured", "estimated"):
        if mount not in found:
            continue
        row = found[mount]
        yield (
            f"synthesised picture against the true one, camera {mount}, {row['poses']} poses",
            f"SSIM of the lower half {row['similarity']:.3f}, "
            f"steering r {row['steering_correlation']:.3f}",
            "0.75; 0.95",
            "0.9; 0.99",
        )


def _truth(found: Mapping) -> Iterator[Row]:
    for name, group in found["groups"].items():
        minutes = int(name.split()[0])
        yield (
            f"truth check: {name}, {group['runs']} runs, {group['distance_m'] / 1000:.1f} km",
            f"{' + '.join(map(str, group['departures_by_run']))} departures, "
            f"RMSE {group['lateral_rmse_m']:.3f} m",
            "2" if minutes == 37 else "5",
            "0, 0.10 m" if minutes == 37 else "0",
        )


def _judge(found: Mapping) -> Iterator[Row]:
    rank = found["rank_correlation"]
    yield (
        f"judgement of {rank['policies']} policies against MuJoCo's",
        f"rank correlation {rank['departures_and_rmse']:.2f} "
        f"(departures {rank['departures']:.2f}, RMSE {rank['rmse']:.2f})",
        "0.8",
        "0.95",
    )


def _small(found: Mapping) -> Iterator[Row]:
    groups: dict[tuple[str, str], list[Mapping]] = {}
    for run in found["runs"].values():
        groups.setdefault((run["knowledge"], run["way"]), []).append(run)
    for (knowledge, way), runs in groups.items():
        metres = sum(run["distance_m"] for run in runs)
        departures = sum(run["departures"] for run in runs)
        squares = sum(run["lateral_rmse_m"] ** 2 * run["distance_m"] for run in runs)
        yield (
            f"small robot, vehicle.yaml {knowledge}, {way}, {len(runs)} runs, {metres:.0f} m",
            f"{10 * departures / metres:.2f} departures per 10 m, "
            f"RMSE {(squares / metres) ** 0.5:.4f} m",
            "0.3; 0.03 m",
            "0; 0.015 m",
        )


def _tub(found: Mapping) -> Iterator[Row]:
    for way, row in found["ways"].items():
        yield (
            f"track, held-out segments, {way}, {row['folds']} folds, {row['frames']} frames",
            f"R² {row['r2']:.2f} (nearest neighbour {row['neighbours_r2']:.2f}), "
            f"{row['put_backs']} put back in {row['duration_s']:.0f} s, "
            f"longest without {row['longest_without_put_back_s']:.0f} s",
            "0.72; 180 s",
            "0.85; none put back",
        )


def _walls(found: Mapping) -> Iterator[Row]:
    for way, row in found["ways"].items():
        yield (
            f"between walls, held-out, {way}, {row['folds']} folds, {row['frames']} frames",
            f"R² {row['r2']:.2f}, MAE {row['mae']:.3f} "
            f"(nearest neighbour {row['neighbours_r2']:.2f}, {row['neighbours_mae']:.3f}; "
            f"always the mean 0, {row['mean_mae']:.3f})",
            "better than both",
            "",
        )


def _cores(found: Mapping) -> Iterator[Row]:
    for name in ("tub", "walls"):
        for core, row in found.get(name, {}).get("cores", {}).items():
            yield (
                f"{core} on {name}, {row['runs']} seeds",
                f"R² {_spread(row['r2'], 2)}, put back {_spread(row['put_backs'], 1)}",
                "",
                "",
            )


def _spread(value: Mapping, digits: int) -> str:
    spread = "" if value["sd"] is None else f" ± {value['sd']:.{digits}f}"
    return f"{value['mean']:.{digits}f}{spread}"


PARTS: Mapping[str, Callable[[Mapping], Iterator[Row]]] = {
    "truth": _truth,
    "judge": _judge,
    "pictures": _pictures,
    "tub": _tub,
    "walls": _walls,
    "cores": _cores,
    "small": _small,
}
