"""An inspection as text for the terminal: the verdict first, then the measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from liquid_control.inspection.estimated import estimated_rows

MARKS = {"fault": "✗", "warning": "!"}


def as_text(facts: Mapping) -> str:
    """Facts as `inspect_recording` gives them."""
    return "\n".join(_lines(facts))


def _lines(facts: Mapping) -> Iterator[str]:
    looked = "index only" if facts["level"] == "index" else f"{facts['stamps']} stamps"
    yield f"{facts['recording']}: {facts['duration']:.1f} s, {facts['messages']} messages, {looked}"
    for uses, verdict in together(facts["verdict"]):
        yield ""
        yield f"{uses}: {verdict['state']}" + (
            ", as far as the index shows" if facts["level"] == "index" else ""
        )
        for reason in verdict["reasons"]:
            yield f"  {MARKS[reason['weight']]} {reason['role']}: {reason['text']}"
            if reason["remedy"]:
                yield f"      → {reason['remedy']}"
    notes = [one for one in facts["findings"] if one["replay"] == one["train"] == "ok"]
    if notes:
        yield ""
        yield "noted"
        for one in notes:
            yield f"  · {one['role']}: {one['text']}" + (
                f" ({one['remedy']})" if one["remedy"] else ""
            )
    yield ""
    yield from _table(
        ["topic", "type", "messages", "Hz", "used as"],
        [
            [
                one["name"],
                one["kind"],
                _shown(one["count"], 0),
                _shown(one["rate"], 1),
                ", ".join(one["roles"]),
            ]
            for one in facts["topics"]
        ],
        "llrrl",
    )
    if facts["level"] == "full":
        yield ""
        yield from _full(facts)
    if "estimated" in facts:
        yield ""
        yield "estimated from pictures and motion, ± one standard deviation"
        for name, words in estimated_rows(facts["estimated"]):
            yield f"  {name.ljust(22)} {words}"


def together(verdicts: Mapping) -> list[tuple[str, Mapping]]:
    """(use, verdict), uses with the very same verdict as one."""
    merged: list[tuple[str, Mapping]] = []
    for use, verdict in verdicts.items():
        if merged and merged[-1][1] == verdict:
            merged[-1] = (f"{merged[-1][0]} and {use}", verdict)
        else:
            merged.append((use, verdict))
    return merged


def _full(facts: Mapping) -> Iterator[str]:
    heads = [
        "stamps of",
        "Hz",
        "jitter %",
        "missing",
        "gaps",
        "longest s",
        "repeated",
        "backward",
        "latency s",
        "drift ppm",
    ]
    rows = []
    for role, one in facts["streams"].items():
        longest = one["gaps"][0]["length"] if one["gaps"] else None
        drift = None if one["drift"] is None else 1e6 * one["drift"]
        jitter = None if one["jitter"] is None else 100 * one["jitter"]
        rows.append(
            [
                role,
                _shown(one["rate"], 1),
                _shown(jitter, 1),
                str(one["dropped"]),
                str(one["gap_count"]),
                _shown(longest, 2),
                str(one["duplicates"]),
                str(one["backward"]),
                _shown(one["latency"], 3),
                _shown(drift, 0),
            ]
        )
    yield from _table(heads, rows, "l" + "r" * 9)
    yield ""
    for name, words in content_rows(facts):
        yield f"{name.ljust(10)} {words}"


def content_rows(facts: Mapping) -> Iterator[tuple[str, str]]:
    """(name, words) for what the messages hold and how they agree."""
    if pictures := facts["pictures"]:
        shapes = (
            ", ".join(
                f"{one['encoding']} {one['width']}x{one['height']}" for one in pictures["shapes"]
            )
            or "none decoded"
        )
        yield (
            "pictures",
            f"{shapes}; brightness {_shown(pictures['brightness'], 0)}, "
            f"contrast {_shown(pictures['contrast'], 0)} of 255; "
            f"{pictures['blank']} blank of {pictures['decoded']} decoded, "
            f"{pictures['repeated']} repeated of {pictures['messages']}",
        )
    for role, unit in (("speed", "m/s"), ("steering", "rad")):
        for one in facts[role].values():
            yield (
                role,
                f"{one['lowest']:.3g} to {one['highest']:.3g} {unit}, mean {one['mean']:.3g}",
            )
    if axes := facts["imu"]["axes"]:
        words = []
        if z := axes.get("gyro z"):
            words.append(f"yaw rate {z['lowest']:.3g} to {z['highest']:.3g} rad/s")
        if "acceleration x" in axes:
            mean = ", ".join(f"{axes[f'acceleration {axis}']['mean']:.2f}" for axis in "xyz")
            words.append(f"mean acceleration ({mean}) m/s²")
        yield "imu", ", ".join(words)
    known = ", ".join(
        f"{name.replace('_', ' ')} on {one['met']}" for name, one in facts["contributions"].items()
    )
    yield "inputs", f"known of {facts['contributions']['steering']['frames']} pictures: {known}"
    fit = facts["agreement"]["steering_to_gyro"]
    if fit["correlation"] is None:
        yield "agreement", f"steering and gyro: {fit['unknown_because']}"
    else:
        ratio, wheelbase = (
            facts["agreement"]["recorded_over_needed_angle"],
            facts["agreement"]["fitted_wheelbase"],
        )
        fitted = (f", ratio {ratio:.3g}" if ratio else "") + (
            f", wheelbase {wheelbase:.2f} m" if wheelbase else ""
        )
        if zero := facts["agreement"]["steering_calibration"]:
            reads, doubt = (math.degrees(zero[name]) for name in ("offset", "offset_error"))
            fitted += f", zero off by {-reads + 0.0:.2f} ± {doubt:.2f} degrees"
        late = _delay(fit["delay"], "the vehicle turns", "the steering")
        yield "agreement", f"steering and gyro: correlation {fit['correlation']:.2f}{fitted}{late}"
    seen = facts["clock"]["picture_to_gyro"]
    if seen["delay"]:
        late = _delay(seen["delay"], "the gyro turns", "the pictures")
        yield "clocks", f"pictures and gyro: correlation {seen['delay']['correlation']:.2f}{late}"
    apart = facts["clock"]["receipt_camera_minus_imu"]
    if apart is not None:
        yield (
            "clocks",
            f"receipt minus header: {round(apart, 4) + 0.0:+.4f} s more "
            "for the camera than for the IMU",
        )


def _delay(delay: Mapping | None, later: str, earlier: str) -> str:
    if not delay:
        return ""
    sure = "" if delay["sure"] else " (not sure)"
    seconds, uncertainty = delay["seconds"], delay["uncertainty"]
    return f"; {later} {seconds:+.3f} ± {uncertainty:.3f} s after {earlier}{sure}"


def _table(heads: list[str], rows: list[list[str]], sides: str) -> Iterator[str]:
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = [
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, sides, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"
