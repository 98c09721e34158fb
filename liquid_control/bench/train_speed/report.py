"""The result of `bench train` as a table for the terminal, a JSON file and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

COLOURS = {
    "rendering": "#2a6f97",
    "renderer set-up": "#61a5c2",
    "physics": "#6a994e",
    "scene": "#a7c957",
    "encoder": "#b3541e",
    "encoder, forward": "#b3541e",
    "encoder, backward": "#dd8b5a",
    "core": "#7b2cbf",
    "batch": "#e0a100",
    "optimiser": "#8d99ae",
    "rest": "#c9c9c9",
}


def write_report(answer: Mapping, out: Path) -> None:
    """Writes train.json and train.png into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "train.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    _plot(answer, out / "train.png")


def table(answer: Mapping) -> str:
    """Shares of collection, of a step and of a whole training, then the limits."""
    collected, fitted, rendering, limit = (
        answer[name] for name in ("collecting", "fitting", "rendering", "limit")
    )
    encoder, training, height_width = (
        fitted["encoder"],
        answer["training"],
        "x".join(map(str, answer["picture"])),
    )
    machine = ", ".join(f"{name} {value}" for name, value in answer["machine"].items())
    text = [
        f"collection: {collected['frames_per_second']:.0f} frames/s on one core; "
        f"{_shares(collected['parts'])}",
        f"a step of {fitted['frames']} frames of {height_width}, {answer['encoder']} encoder: "
        f"{1e3 * fitted['seconds']:.0f} ms of one core, {fitted['frames_per_second']:.0f} frames/s "
        f"({answer['all_cores']['frames_per_second']:.0f} with all cores); "
        f"{_shares(fitted['parts'])}",
        "the encoder by itself, both passes: "
        f"{fitted['encoder_frames_per_second']:.0f} frames/s on one core",
    ]
    if "core_step_s" in fitted:
        text.append(
            f"a step of the core ({answer['core']}) alone, {fitted['core_frames']} frames: "
            f"{1e3 * fitted['core_step_s']:.1f} ms; "
            f"a picture encoded for it {1e6 * fitted['encode_s']:.0f} µs"
        )
    text += [
        "a whole training by the default recipe: "
        f"{training['core_seconds']:.0f} s of one core; {_shares(training['shares'])}",
        "",
        f"encoder: {encoder['flops_per_second'] / 1e9:.1f} GFLOP/s, "
        f"{100 * encoder['share_of_arithmetic']:.0f} % of a matrix product's "
        f"{limit['flops_per_second'] / 1e9:.0f}; "
        f"{encoder['bytes_per_second'] / 1e9:.1f} GB/s between its layers, "
        f"{100 * encoder['share_of_memory']:.0f} % of a copy's "
        f"{limit['bytes_per_second'] / 1e9:.1f}",
        f"rendering: {1e6 * rendering['picture_s']:.0f} µs a picture of "
        f"{rendering['width']}x{rendering['height']}; "
        f"with no scene {1e6 * rendering['empty_s']:.0f}, "
        f"with one pixel {1e6 * rendering['one_pixel_s']:.0f}; "
        f"its pixels at the rasteriser's own rate ({1e9 * rendering['pixel_s']:.0f} ns each) "
        f"{1e6 * rendering['pixels_s']:.0f} µs, {100 * rendering['share_of_fill_rate']:.0f} %",
        machine,
    ]
    return "\n".join(text)


def _shares(parts: Mapping[str, float]) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in parts.items())


def _plot(answer: Mapping, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    shares, limits = figure.subplots(1, 2, width_ratios=[2.2, 1])
    rows = {
        "collection": answer["collecting"]["parts"],
        f"a step of {answer['fitting']['frames']} frames": answer["fitting"]["parts"],
        "a whole training": answer["training"]["shares"],
    }
    for row, parts in rows.items():
        total, left = sum(parts.values()), 0.0
        for name, value in parts.items():
            share = 100 * value / total
            shares.barh(row, share, left=left, color=COLOURS[name], edgecolor="white")
            if share > 5:
                shares.text(
                    left + share / 2,
                    row,
                    f"{name.replace(', ', chr(10)).replace(' ', chr(10))}\n{share:.0f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="black" if name in ("rest", "scene", "batch") else "white",
                )
            left += share
    shares.invert_yaxis()
    shares.set(xlim=(0, 100), xlabel="% of one core's time", title="where a training's time goes")
    encoder, rendering = answer["fitting"]["encoder"], answer["rendering"]
    found = {
        "encoder,\narithmetic of\na matrix product": encoder["share_of_arithmetic"],
        "encoder,\ntraffic of\na copy": encoder["share_of_memory"],
        "rendering,\nfill rate of\nlarge pictures": rendering["share_of_fill_rate"],
    }
    drawn = limits.bar(
        list(found),
        [100 * value for value in found.values()],
        color=["#b3541e", "#dd8b5a", "#2a6f97"],
    )
    limits.bar_label(drawn, fmt="%.0f %%")
    limits.set(ylim=(0, 110), ylabel="%", title="how close to this machine's limit")
    limits.tick_params(axis="x", labelsize=8)
    figure.savefig(path, dpi=110)
