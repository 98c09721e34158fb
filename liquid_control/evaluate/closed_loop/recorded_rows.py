"""The figures of an examination in the recorded world, as JSON and as text: over all stretches, by
condition and by recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from liquid_control.evaluate.closed_loop.chosen_speed import driver_sentence
from liquid_control.evaluate.closed_loop.condition_rows import (
    as_table,
    figure,
    root_mean_square,
    written,
)
from liquid_control.evaluate.closed_loop.recorded import StretchResult
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.recorded.loader import RecordedRoads
from liquid_control.stats.bootstrap import Interval, rate_interval, ratio_interval

KILOMETRE = 1000.0
FEWEST = 2
"""Stretches for a bootstrap."""
UNSEEN_MUCH, NOTABLE_STOP = 0.15, 0.01
"""Shares from which on they are mentioned."""


def condition_row(condition: Condition, results: Sequence[StretchResult]) -> dict:
    """Figures of one condition over all stretches; NAME_ci is NAME's 95 % interval by bootstrap
    over stretches, None where one stretch gives none."""
    row = {
        "condition": condition.name,
        "family": condition.family,
        "summary": condition.summary,
        "stretches": len(results),
    }
    return row | totals(results)


def totals(results: Sequence[StretchResult]) -> dict:
    """Figures over stretches. `put_backs`: times the vehicle left the lane or stood still, and was
    put back."""

    def column(name: str) -> np.ndarray:
        return np.array([getattr(result.examined, name) for result in results], float)

    metres, seconds = np.maximum(column("distance_m"), 1e-9), column("simulated_s")
    put_backs, departures = column("off_road") + column("standstills"), column("departures")
    frames = np.maximum(column("frames_used"), 1e-9)
    unseen = np.array([result.unseen_share for result in results]) * frames
    distance, duration = metres.sum(), seconds.sum()
    found = {
        "distance_m": round(float(distance), 2),
        "duration_s": round(float(duration), 2),
        "departures": int(departures.sum()),
        "put_backs": int(put_backs.sum()),
        "off_road": int(column("off_road").sum()),
        "standstills": int(column("standstills").sum()),
    }
    several = len(results) >= FEWEST
    for name, counts in (("departures_per_km", departures), ("put_backs_per_km", put_backs)):
        known = several or not counts.sum()
        interval = rate_interval(counts, metres / KILOMETRE) if known else None
        found |= _figure(name, KILOMETRE * counts.sum() / distance, interval)
    for name, weight in (
        ("lateral_rmse_m", metres),
        ("lateral_jerk_rms", seconds),
        ("steering_rate_rms", seconds),
    ):
        found |= _without(root_mean_square(name, column(name), weight), several)
    interval = ratio_interval(unseen, frames) if several else None
    found |= _figure("unseen_share", unseen.sum() / frames.sum(), interval)
    return found | {
        "largest_offset_m": float(column("largest_offset_m").max()),
        "longest_without_put_back_s": round(longest_run(results), 2),
        "gate_activations": int(column("gate_activations").sum()),
        "safe_stop_share": float(column("safe_stop_s").sum() / max(duration, 1e-9)),
        "mean_speed": float(distance / max(duration, 1e-9)),
        "lateral_acceleration_p95": float(
            np.average(column("lateral_acceleration_p95"), weights=np.maximum(seconds, 1e-9))
        ),
        "lateral_acceleration_max": float(column("lateral_acceleration_max").max()),
        "frames_used": int(column("frames_used").sum()),
        "frames_dropped": int(column("frames_dropped").sum()),
        "speed_up_per_core": float(duration / max(column("cpu_s").sum(), 1e-9)),
    }


def longest_run(results: Iterable[StretchResult]) -> float:
    """The longest time of driving without being put back [s], over stretches one after the
    other."""
    longest = running = 0.0
    for result in results:
        before = 0.0
        for at in result.examined.put_back_s:
            longest, running, before = max(longest, running + at - before), 0.0, at
        running += result.examined.simulated_s - before
        longest = max(longest, running)
    return longest


def recording_row(name: str, roads: RecordedRoads, results: Sequence[StretchResult]) -> dict:
    """Figures of one recording, and what was made of it."""
    road = roads.roads[0]
    return {
        "recording": name,
        "stretches": len(results),
        **totals(results),
        "lane_width_m": road.scale.lane_width,
        "departure_m": road.scale.departure,
        "measured": list(road.measured),
        "recorded_s": round(roads.seconds, 2),
        "left_out_s": {reason: round(value, 2) for reason, value in roads.left_out.items()},
        "estimates": dict(roads.estimates),
    }


def stretch_row(result: StretchResult) -> dict:
    """One stretch under one condition."""
    found = dataclasses.asdict(result.examined)
    found["put_back_s"] = [round(at, 2) for at in result.examined.put_back_s]
    return {
        "recording": result.recording,
        "stretch": result.stretch,
        "condition": result.condition,
        "put_backs": result.examined.off_road + result.examined.standstills,
        "unseen_share": result.unseen_share,
        **found,
    }


def table(facts: Mapping) -> str:
    """A line for each condition, then one for each recording."""
    head = ["", "km", "departures/km", "put back/km", "rmse m", "worst m", "unseen %", "jerk m/s³"]
    head += ["longest without, s"]
    rows = [(row["condition"], row) for row in facts["conditions"]]
    if len(facts["per_recording"]) > 1:
        rows += [(row["recording"], row) for row in facts["per_recording"]]
    lines = [head]
    for name, row in rows:
        lines.append(
            [
                name,
                f"{row['distance_m'] / KILOMETRE:.3g}",
                _cell(row, "departures_per_km", "{:.1f}"),
                _cell(row, "put_backs_per_km", "{:.1f}"),
                _cell(row, "lateral_rmse_m", "{:.3f}"),
                f"{row['largest_offset_m']:.2f}",
                f"{100 * row['unseen_share']:.1f}",
                f"{row['lateral_jerk_rms']:.2f}",
                f"{row['longest_without_put_back_s']:.0f}",
            ]
        )
    return as_table(lines)


def _cell(row: Mapping, name: str, form: str) -> str:
    bounds = row[f"{name}_ci"]
    return form.format(row[name]) if bounds is None else written(row[name], bounds, form.format)


def _figure(name: str, value: float, interval: Interval | None) -> dict:
    if interval is None:
        return {name: float(value), f"{name}_ci": None}
    return figure(name, value, interval)


def _without(row: dict, several: bool) -> dict:
    """Without intervals where there are not several stretches."""
    return row if several else {k: None if k.endswith("_ci") else v for k, v in row.items()}


def sentences(facts: Mapping) -> list[str]:
    """What the figures mean, and where they are not to be believed."""
    said = []
    lane = facts["per_recording"][0]
    said.append(
        f"{facts['put_backs']} times put back and {facts['departures']} departures in "
        f"{facts['distance_m']:.0f} m ({facts['duration_s']:.0f} s) of recorded road; a departure "
        f"is more than {lane['departure_m']:.2g} m from the driver's path "
        f"(lane {lane['lane_width_m']:.2g} m)."
    )
    if "chosen_speed" in facts:
        said.append(driver_sentence(facts["chosen_speed"]))
    if facts["learned_from"] and facts["only"] == "all":
        said.append(
            f"The policy learned from {' and '.join(facts['learned_from'])}, so these figures "
            "flatter it: drive it in other recordings, or with --only held_out in those parts that "
            "were held out."
        )
    if facts["unseen_share"] > UNSEEN_MUCH:
        said.append(
            f"{100 * facts['unseen_share']:.0f} % of the pictures was never seen by the camera: "
            "the drive was so far from the recorded path that the world is a guess."
        )
    if facts["safe_stop_share"] > NOTABLE_STOP:
        said.append(
            f"The gate had no usable action in {100 * facts['safe_stop_share']:.0f} % of the time."
        )
    if facts["not_measured"]:
        listed = " and ".join(facts["not_measured"]).replace("_", " ")
        said.append(
            f"The policy takes {listed}, which the recording does not hold: it gets what a robot "
            "with a silent sensor gives. Train one without it on the recording."
        )
    estimates = {
        name: value for row in facts["per_recording"] for name, value in row["estimates"].items()
    }
    if estimates:
        listed = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in estimates.items())
        said.append(f"Not given, but taken or estimated: {listed}.")
    left_out: dict[str, float] = {}
    for row in facts["per_recording"]:
        for reason, value in row["left_out_s"].items():
            left_out[reason] = left_out.get(reason, 0.0) + value
    if left_out:
        listed = ", ".join(f"{value:.0f} s {reason}" for reason, value in left_out.items())
        said.append(f"Not driven in: {listed}.")
    return said
