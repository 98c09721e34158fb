"""explain.html, the page of `liquid-control explain`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liquid_control.evaluate.insight.charts import bars, scatter
from liquid_control.evaluate.insight.circuit_map import circuit_map
from liquid_control.evaluate.insight.findings import Neurons
from liquid_control.evaluate.insight.trace import Trace
from liquid_control.model.model_file import ModelInfo
from liquid_control.report.charts import Series, heat_map, time_chart
from liquid_control.report.media import video_source
from liquid_control.report.page import write_page
from liquid_control.report.strip import by_layer, normalised

OCTAVES = 1.0
"""Time constants are coloured fully at this many doublings from the neuron's median."""
FAINT = 0.04
"""Synapses of a CfC weaker than this share of the strongest are not drawn: in each of its layers
every neuron is connected to every other."""


def write_explanation(
    facts: Mapping,
    info: ModelInfo,
    first: Trace,
    trace: Trace,
    neurons: Neurons,
    film: Path | None,
    path: Path,
) -> None:
    """`first`: the road of the film and of everything over time; `trace`: all roads."""
    names = [row["neuron"] for row in facts["neurons"]]
    write_page(
        "explain",
        path,
        facts=facts,
        tiles=_tiles(facts),
        charts=_charts(facts, info, first, neurons, names),
        rows=_rows(facts),
        parts=_synapse_rows(facts),
        video=None if film is None else video_source(film),
        video_offset=float(first.seconds[0]),
    )


def _charts(
    facts: Mapping, info: ModelInfo, first: Trace, neurons: Neurons, names: list[str]
) -> dict[str, str]:
    seconds, end, count = first.seconds, float(first.seconds[-1]), len(first)
    order = by_layer(names)
    ordered = [names[index] for index in order]
    charts = {
        "curvature": time_chart(
            [
                Series("road", "measured", seconds, first.road_curvature),
                Series("policy", "allowed", seconds, first.curvature),
            ],
            "1/m",
            end,
            levels={0.0: "zero"},
            digits=3,
        ),
        "neurons": heat_map(
            seconds, normalised(first.after[:, : len(names)])[:, order], ordered, end
        ),
        "components": scatter(neurons.projected, neurons.bend, neurons.shares.tolist() + [0.0]),
        "steps": bars(names, np.array([row["largest_step"] for row in facts["neurons"]])),
    }
    if neurons.constants is not None:
        octaves = (
            np.log2(neurons.constants[:count] / np.median(neurons.constants, axis=0)) / OCTAVES
        )
        if np.abs(octaves).max() > 0.01:
            charts["constants"] = heat_map(seconds, np.clip(octaves, -1, 1)[:, order], ordered, end)
    if info.wiring is not None and facts["interventions"]:
        charts["circuit"] = _circuit(facts, info, names)
    return charts


def _circuit(facts: Mapping, info: ModelInfo, names: list[str]) -> str:
    intact = facts["intact"]["lateral_rmse_m"]
    cut = {
        (one["source"], one["target"]): one for one in facts["interventions"] if one["way"] == "cut"
    }
    held = {
        (one["source"], one["target"]): one
        for one in facts["interventions"]
        if one["way"] == "hold"
    }
    worst = max(one["lateral_rmse_m"] for one in held.values()) - intact

    def words(part: tuple) -> str:
        effects = [
            f"{way} {_effect(table[part])}"
            for way, table in (("cut", cut), ("held", held))
            if part in table
        ]
        return "; ".join(effects)

    damage = {
        n: max(one["lateral_rmse_m"] - intact, 0.0) / max(worst, 0.05)
        for (n, target), one in held.items()
        if target is None
    }
    follows = [row["follows"] for row in facts["neurons"]]
    tips = {n: f"{name}: follows {follows[n]}; {words((n, None))}" for n, name in enumerate(names)}
    strengths = {(one["source"], one["target"]): one["strength"] for one in facts["synapses"]}
    largest = max(strengths.values(), default=1.0) or 1.0
    synapses = {
        pair: (value / largest, f"{names[pair[0]]} → {names[pair[1]]} {words(pair)}")
        for pair, value in strengths.items()
        if facts["core"] == "ltc" or value > FAINT * largest
    }
    signs = {(one["source"], one["target"]): one["sign"] for one in facts["synapses"]}
    return circuit_map(info.wiring, damage, tips, synapses, signs)


def _rows(facts: Mapping) -> list[dict]:
    """Per neuron, as text; `bad` marks a departure."""
    by_part = {
        (one["source"], one["way"]): one for one in facts["interventions"] if one["target"] is None
    }
    rows = []
    for index, row in enumerate(facts["neurons"]):
        tau = row["time_constant_s"]
        ways = {way: by_part.get((index, way)) for way in ("cut", "hold")}
        rows.append(
            {
                "neuron": row["neuron"],
                "follows": row["follows"],
                **{
                    key: f"{row[f'correlation_{key}']:+.2f}"
                    for key in ("curvature", "left", "right")
                },
                "tau": "–" if tau is None else _spread(tau),
                "step": f"{row['largest_step']:.2f}",
                **{way: "–" if one is None else _effect(one) for way, one in ways.items()},
                **{f"{way}_bad": bool(one and one["departures"]) for way, one in ways.items()},
            }
        )
    return rows


def _synapse_rows(facts: Mapping) -> list[dict]:
    pairs = dict.fromkeys(
        (one["source"], one["target"], one["part"])
        for one in facts["interventions"]
        if one["target"] is not None
    )
    by_part = {(one["source"], one["target"], one["way"]): one for one in facts["interventions"]}
    strengths = {(one["source"], one["target"]): one["strength"] for one in facts["synapses"]}
    return [
        {"part": part, "strength": f"{strengths[s, t]:.3f}"}
        | {way: _effect(by_part[s, t, way]) for way in ("cut", "hold")}
        | {f"{way}_bad": bool(by_part[s, t, way]["departures"]) for way in ("cut", "hold")}
        for s, t, part in pairs
    ]


def _effect(one: Mapping) -> str:
    count = one["departures"]
    return f"{one['lateral_rmse_m']:.2f} m" + (
        f", {count} departure{'s' * (count != 1)}" if count else ""
    )


def _tiles(facts: Mapping) -> list[tuple[str, str, str]]:
    noise = facts["saliency_under_noise"][0]
    tiles = [
        (
            "drives",
            f"{facts['lateral_rmse_m']:.2f} m",
            f"lateral RMSE, {facts['departures']} of {facts['roads']} roads left",
        ),
        (
            "encoder, with noise",
            f"{noise['ssim_visual_backprop']:.2f}",
            f"SSIM of VisualBackProp at variance {noise['variance']}",
        ),
        (
            "gradient, with noise",
            f"{noise['ssim_gradient']:.2f}",
            "SSIM of the gradient's map, same noise",
        ),
        ("first component", f"{100 * facts['pc1_share']:.0f} %", "of the neurons' variance"),
        ("largest step", f"{facts['lipschitz'][0]:.2f}", "of any neuron, between two frames"),
    ]
    constants = [
        row["time_constant_s"]["median"] for row in facts["neurons"] if row["time_constant_s"]
    ]
    if constants:
        frame = f"of the median neuron; a frame takes {_short(facts['frame_s'])}"
        tiles.insert(4, (facts["time_constant_title"], _short(float(np.median(constants))), frame))
    held = [
        one
        for one in facts["interventions"]
        if one["target"] is None and one["way"] == "hold" and one["part"] != "motor"
    ]
    if held:
        worst = max(held, key=lambda one: one["lateral_rmse_m"])
        tiles.append(("most needed", worst["part"], f"{_effect(worst)} without its signal"))
    return tiles


def _short(seconds: float) -> str:
    if seconds < 1e-3:
        return "< 1 ms"
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _spread(tau: Mapping[str, float]) -> str:
    median, low, high = (_short(tau[name]) for name in ("median", "p5", "p95"))
    return median if low == median == high else f"{median} ({low} – {high})"
