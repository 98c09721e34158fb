"""The circuit as SVG, each part as large as its work: how much worse the drive is without it. The
page's style sheet colours it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from liquid_control.model.wiring import NcpWiring
from liquid_control.report.charts import element, svg, tick_label

WIDTH, HEIGHT, TOP = 1080, 560, 46
COLUMNS = {"inter": 210, "command": 560, "motor": 880}
SMALLEST, LARGEST = 7.0, 26.0


def circuit_map(
    wiring: NcpWiring,
    damage: Mapping[int, float],
    words: Mapping[int, str],
    synapses: Mapping[tuple[int, int], tuple[float, str]],
    signs: Mapping[tuple[int, int], int],
) -> str:
    """`damage`: neuron → 0..1, how much is lost without it; `words`: neuron → what its tip says;
    `synapses`: (source, target) → (strength in 0..1, tip); `signs`: (source, target) → 1, -1 or 0
    for neither."""
    places = _places(wiring)
    parts = [
        element(
            "text",
            "label layer",
            f"{layer} ({count})",
            x=COLUMNS[layer],
            y=20,
            text_anchor="middle",
        )
        for layer, count in (
            ("inter", wiring.inter),
            ("command", wiring.command),
            ("motor", wiring.motor),
        )
    ]
    for (source, target), (strength, tip) in sorted(synapses.items(), key=lambda item: item[1][0]):
        parts.append(
            _synapse(source, target, places, strength, tip, signs.get((source, target), 0))
        )
    for neuron, (x, y) in places.items():
        size = SMALLEST + (LARGEST - SMALLEST) * float(
            np.sqrt(min(max(damage.get(neuron, 0.0), 0.0), 1.0))
        )
        title = f"<title>{escape(words.get(neuron, ''))}</title>"
        parts.append(element("circle", "hole", cx=x, cy=y, r=size))
        parts.append(
            element(
                "circle",
                "neuron",
                title,
                cx=x,
                cy=y,
                r=size,
                fill_opacity=f"{0.15 + 0.85 * damage.get(neuron, 0.0):.2f}",
            )
        )
        anchor, at = (
            ("end", x - size - 7) if neuron in wiring.inter_neurons else ("start", x + size + 7)
        )
        parts.append(tick_label(escape(words.get(neuron, "").split(":")[0]), at, y + 4, anchor))
    return svg("".join(parts), WIDTH, HEIGHT, "circuit")


def _synapse(source: int, target: int, places: dict, strength: float, tip: str, sign: int) -> str:
    (x0, y0), (x1, y1) = places[source], places[target]
    kind = {1: "excites", -1: "inhibits", 0: "either"}[sign]
    title = f"<title>{escape(tip)}</title>"
    style = {
        "stroke_width": f"{0.6 + 5.4 * strength:.1f}",
        "stroke_opacity": f"{0.18 + 0.72 * strength:.2f}",
    }
    if source == target:
        path = f"M{x0:.0f},{y0 - 8:.0f} c 46,-52 -46,-52 0,0"
    elif x0 == x1:
        side = x0 + (90 if y1 > y0 else -90)
        path = f"M{x0:.0f},{y0:.0f} Q{side:.0f},{(y0 + y1) / 2:.0f} {x1:.0f},{y1:.0f}"
    else:
        bend = 0.45 * (x1 - x0)
        curve = f"C{x0 + bend:.0f},{y0:.0f} {x1 - bend:.0f},{y1:.0f}"
        path = f"M{x0:.0f},{y0:.0f} {curve} {x1:.0f},{y1:.0f}"
    return element("path", f"synapse {kind}", title, d=path, **style)


def _places(wiring: NcpWiring) -> dict[int, tuple[float, float]]:
    """(x, y) of each neuron: command neurons spread evenly, inter neurons near those that they
    drive, so that synapses cross little."""
    middle, room = (TOP + HEIGHT) / 2, HEIGHT - TOP - 40
    places = {}
    for neuron, y in zip(
        wiring.command_neurons, _rows(wiring.command, middle, 0.8 * room), strict=True
    ):
        places[neuron] = COLUMNS["command"], y
    driven = {
        n: [places[t][1] for s, t, _ in wiring.synapses if s == n] for n in wiring.inter_neurons
    }
    ordered = sorted(wiring.inter_neurons, key=lambda n: np.mean(driven[n]))
    for neuron, y in zip(ordered, _rows(wiring.inter, middle, room), strict=True):
        places[neuron] = COLUMNS["inter"], y
    for neuron, y in zip(
        wiring.motor_neurons, _rows(wiring.motor, middle, 0.5 * room), strict=True
    ):
        places[neuron] = COLUMNS["motor"], y
    return places


def _rows(count: int, middle: float, span: float) -> list[float]:
    return [
        float(y)
        for y in middle + (np.linspace(-span / 2, span / 2, count) if count > 1 else np.zeros(1))
    ]
