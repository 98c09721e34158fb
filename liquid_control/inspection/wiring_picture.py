"""A picture of a policy's wiring: every neuron and synapse, from the features on the left to the
steering on the right."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liquid_control.errors import ConfigError
from liquid_control.model.spec import PolicySpec, names
from liquid_control.model.wiring import NcpWiring

EXCITES, INHIBITS, INK, PAPER = "#0f8b8d", "#e4572e", "#22313f", "#ffffff"
LAYER_COLOURS = {"sensory": "#8fa3b0", "inter": "#f2b134", "command": "#7a5cc7", "motor": "#d1345b"}
COLUMNS = {"sensory": 0.0, "inter": 3.3, "command": 6.6, "motor": 9.2}
HEIGHT = 8.0
FORMATS = (".svg", ".png", ".pdf")


def draw_wiring(wiring: NcpWiring, path: Path, spec: PolicySpec | None = None) -> None:
    """Writes the picture to `path` (.svg, .png or .pdf); raises ConfigError for another kind of
    file.

    The colour of a synapse is its polarity, the size of a neuron the number of synapses that reach
    it. `spec`: names its measurements, which are the last inputs, and its actions.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ConfigError("out", str(path), "a file name that ends in " + ", ".join(FORMATS))
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), facecolor=PAPER, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(-2.2, 11.6)
    axes.set_ylim(-0.95, HEIGHT + 1.15)
    axes.axis("off")
    places = _places(wiring)
    _draw_synapses(axes, wiring, places)
    _draw_neurons(axes, wiring, places)
    _draw_words(axes, wiring, places, spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "liquid_control"}):  # the same wiring gives the same bytes
        figure.savefig(
            path, dpi=120, metadata={"Date": None} if path.suffix.lower() == ".svg" else None
        )


def _places(wiring: NcpWiring) -> dict[tuple[str, int], np.ndarray]:
    """(x, y) of each neuron, keyed by layer and number; ordered within a layer so that synapses
    cross little."""
    layers = {
        "command": list(wiring.command_neurons),
        "inter": list(wiring.inter_neurons),
        "motor": list(wiring.motor_neurons),
    }
    places = {
        ("sensory", i): np.array([COLUMNS["sensory"], y])
        for i, y in enumerate(_rows(wiring.inputs, HEIGHT))
    }
    sources = {
        "inter": [(("sensory", s), t) for s, t, _ in wiring.sensory],
        "command": [(("inter", s), t) for s, t, _ in wiring.synapses if s in wiring.inter_neurons],
        "motor": [(("command", s), t) for s, t, _ in wiring.synapses if t in wiring.motor_neurons],
    }
    for layer, spread in (("inter", 0.94), ("command", 0.72), ("motor", 0.5)):
        heights = {
            n: np.mean([places[source][1] for source, target in sources[layer] if target == n])
            for n in layers[layer]
        }
        ordered = sorted(layers[layer], key=lambda n: -heights[n])
        for n, y in zip(ordered, _rows(len(ordered), HEIGHT * spread), strict=True):
            places[layer, n] = np.array([COLUMNS[layer], y])
    return places


def _rows(count: int, span: float) -> np.ndarray:
    """Evenly spaced heights, the first on top, centred on the picture."""
    return HEIGHT / 2 + (np.linspace(span / 2, -span / 2, count) if count > 1 else np.zeros(1))


def _layer(wiring: NcpWiring, neuron: int) -> str:
    return (
        "motor"
        if neuron in wiring.motor_neurons
        else "command"
        if neuron in wiring.command_neurons
        else "inter"
    )


def _draw_synapses(axes, wiring: NcpWiring, places: dict) -> None:
    from matplotlib.patches import FancyArrowPatch, PathPatch
    from matplotlib.path import Path as Curve

    between = [((_layer(wiring, s), s), (_layer(wiring, t), t), p) for s, t, p in wiring.synapses]
    for source, target, polarity in [
        (("sensory", s), ("inter", t), p) for s, t, p in wiring.sensory
    ] + between:
        start, end = places[source], places[target]
        colour = EXCITES if polarity > 0 else INHIBITS
        if source[0] != target[0]:
            bend = np.array([0.45 * (end[0] - start[0]), 0.0])
            width, alpha = (0.7, 0.38) if source[0] == "sensory" else (1.3, 0.65)
            curve = Curve(
                [start, start + bend, end - bend, end], [Curve.MOVETO] + 3 * [Curve.CURVE4]
            )
            axes.add_patch(
                PathPatch(curve, facecolor="none", edgecolor=colour, linewidth=width, alpha=alpha)
            )
        elif source == target:
            loop = start + np.array([[0.0, 0.1], [0.55, 0.75], [-0.55, 0.75], [0.0, 0.1]])
            axes.add_patch(
                PathPatch(
                    Curve(loop, [Curve.MOVETO] + 3 * [Curve.CURVE4]),
                    facecolor="none",
                    edgecolor=colour,
                    linewidth=1.9,
                )
            )
        else:
            arc = f"arc3,rad={-0.42 if start[1] > end[1] else 0.42}"
            axes.add_patch(
                FancyArrowPatch(
                    start,
                    end,
                    connectionstyle=arc,
                    arrowstyle="-|>",
                    mutation_scale=11,
                    shrinkA=9,
                    shrinkB=11,
                    color=colour,
                    linewidth=1.9,
                )
            )


def _draw_neurons(axes, wiring: NcpWiring, places: dict) -> None:
    reached: dict[int, int] = {}
    for _, target, _ in (*wiring.sensory, *wiring.synapses):
        reached[target] = reached.get(target, 0) + 1
    for (layer, number), (x, y) in places.items():
        size = 34 if layer == "sensory" else 120 + 11 * reached.get(number, 0)
        axes.scatter(
            x, y, s=size, color=LAYER_COLOURS[layer], edgecolors=PAPER, linewidths=1.4, zorder=3
        )


def _draw_words(axes, wiring: NcpWiring, places: dict, spec: PolicySpec | None) -> None:
    counts = {
        "sensory": wiring.inputs,
        "inter": wiring.inter,
        "command": wiring.command,
        "motor": wiring.motor,
    }
    for layer, count in counts.items():
        axes.text(
            COLUMNS[layer],
            HEIGHT + 0.62,
            layer,
            ha="center",
            size=13,
            weight="bold",
            color=LAYER_COLOURS[layer],
        )
        axes.text(
            COLUMNS[layer],
            HEIGHT + 0.3,
            f"{count} neuron{'s' if count > 1 else ''}",
            ha="center",
            size=9,
            color=INK,
        )
    measurements = names(spec.measurements) if spec else ()
    actions = names(spec.actions) if spec else ("output",) * wiring.motor
    seen = wiring.inputs - len(measurements)
    for index, name in enumerate(measurements):
        x, y = places["sensory", seen + index]
        words = name.replace("_", " ")
        axes.text(x - 0.2, y, words, ha="right", va="center", size=8.5, color=INK)
    if seen > 0:
        top, bottom = places["sensory", 0][1], places["sensory", seen - 1][1]
        axes.plot([-0.22, -0.34, -0.34, -0.22], [top, top, bottom, bottom], color=INK, linewidth=1)
        axes.text(
            -0.5,
            (top + bottom) / 2,
            f"{seen} image\nfeatures",
            ha="right",
            va="center",
            size=9.5,
            color=INK,
        )
    for number, action in zip(wiring.motor_neurons, actions, strict=True):
        x, y = places["motor", number]
        axes.annotate(
            action.replace("_", " "),
            (x + 1.1, y),
            (x + 0.28, y),
            va="center",
            ha="left",
            size=11,
            weight="bold",
            color=INK,
        )
    total = wiring.synapse_count
    signs = [p for *_, p in (*wiring.sensory, *wiring.synapses)]
    axes.text(
        5.0, -0.6, f"{wiring.neurons} neurons, {total} synapses", ha="right", size=10.5, color=INK
    )
    axes.text(5.3, -0.6, f"{signs.count(1)} excite", size=10.5, color=EXCITES, weight="bold")
    axes.text(6.6, -0.6, f"{signs.count(-1)} inhibit", size=10.5, color=INHIBITS, weight="bold")
