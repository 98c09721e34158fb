"""The C99 source of a policy: one header, one source with the weights as constants."""

from __future__ import annotations

import functools
import re
import string
from importlib.resources import files

import numpy as np

from liquid_control.deploy.c99.parts import NORM_FLOOR, CfcLayers, Convolution, LtcCircuit, Parts
from liquid_control.model.spec import PolicySpec

ON_A_LINE = 8
"""Numbers of a table on one line."""
REGISTERS = 96
"""Sums that a convolution keeps at once, in numbers: fewer leave a processor's units idle, more do
not fit into its registers."""
TOGETHER = (4, 2, 1)
"""Pixels of a row that a convolution may compute at once."""
FRAMES = 1024
"""Bytes of stack besides arrays: what calls and compilers save."""


def identifier(name: str) -> str:
    """A model's name as a name of C: letters, digits and underscores, not beginning with a
    digit."""
    word = re.sub(r"\W", "_", name, flags=re.ASCII).lower() or "policy"
    return f"policy_{word}" if word[0].isdigit() else word


def fill(template: str, **values: object) -> str:
    """A template of this package with `values`. Raises KeyError for one that is missing."""
    text = files(__package__).joinpath("templates", template).read_text(encoding="utf-8")
    return string.Template(text).substitute(values)


def table(kind: str, name: str, values: np.ndarray, comment: str = "") -> str:
    """A constant array of float or int32_t."""
    numbers = [_number(kind, value) for value in np.ravel(values)]
    lines = [
        "    " + ", ".join(numbers[first : first + ON_A_LINE])
        for first in range(0, len(numbers), ON_A_LINE)
    ]
    note = f"/* {comment} */\n" if comment else ""
    body = ",\n".join(lines)
    return f"{note}static const {kind} {name}[{len(numbers)}] = {{\n{body}\n}};\n"


def _number(kind: str, value: float) -> str:
    if kind != "float":
        return str(int(value))
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    return f"{text}f"


def memory_sizes(parts: Parts) -> dict[str, int]:
    """Numbers in each array of the working memory."""
    if not parts.has_image:
        return {"unused": 1}
    maps = [each.size_out[0] * each.size_out[1] * each.maps for each in parts.convolutions]
    rows = [each.kernel[0] * _row_length(each) for each in parts.convolutions]
    return {"row": max(rows), "even": max(maps[0::2]), "odd": max([1, *maps[1::2]])}


def memory_bytes(parts: Parts) -> int:
    """Working memory in bytes."""
    return 4 * sum(memory_sizes(parts).values())


def stack_bytes(parts: Parts) -> int:
    """Bytes of stack that a step stays below: its own arrays and those of its largest function."""
    if isinstance(parts.core, LtcCircuit):
        inside = max(len(each) for each in parts.core.sources) + 3 * parts.neurons
    else:
        inside = max(4 * each.units for each in parts.core.layers)
    sums = [_together(each) * each.maps for each in parts.convolutions]
    own = parts.inputs.shape[1] + parts.neurons + parts.outputs
    return 4 * (own + max([inside, *sums])) + FRAMES


def arguments(parts: Parts) -> list[tuple[str, str]]:
    """Type and name of what a step takes, before the state."""
    found = [("const uint8_t *", "image")] if parts.has_image else []
    found += [("const float *", "measurements")] if parts.measurements.size else []
    return [*found, ("float ", "dt")]


def header(name: str, title: str, parts: Parts, spec: PolicySpec, source: str) -> str:
    """The text of the header. `source`: hash of the weights."""
    upper, sizes = name.upper(), memory_sizes(parts)
    defines = {"MEASUREMENTS": parts.measurements.shape[1], "ACTIONS": parts.outputs}
    if parts.has_image:
        defines = {"HEIGHT": parts.height, "WIDTH": parts.width} | defines
    said = []
    if parts.has_image:
        said.append(f" * image [{parts.height}][{parts.width}][3]: RGB, as preprocess makes it.")
    if spec.measurements:
        said.append(f" * measurements [{len(spec.measurements)}]:")
        said += [f" *   {one.name}" + _unit(one.unit) for one in spec.measurements]
    return fill(
        "policy.h",
        title=title,
        name=name,
        NAME=upper,
        source=source,
        constants=constant_bytes(parts),
        state_bytes=4 * parts.neurons + 4,
        memory_bytes=memory_bytes(parts),
        stack_bytes=stack_bytes(parts),
        sizes="\n".join(f"#define {upper}_{key} {value}" for key, value in defines.items()),
        neurons=parts.neurons,
        memory="\n".join(f"    float {key}[{size}];" for key, size in sizes.items()),
        arguments="\n".join(said) or " * Nothing but time goes in.",
        actions=parts.outputs,
        action_lines="\n".join(f" *   {one.name}" + _unit(one.unit) for one in spec.actions),
        signature=signature(name, parts),
    )


def _unit(unit: str) -> str:
    return f" [{unit}]" if unit else ""


def signature(name: str, parts: Parts) -> str:
    """The parameters of a step."""
    given = [kind + word for kind, word in arguments(parts)]
    given += [f"{name}_state *state", f"{name}_memory *memory", "float *action"]
    return ", ".join(given)


def source(name: str, title: str, parts: Parts) -> str:
    """The text of the source."""
    sizes = {"neurons": parts.neurons, "outputs": parts.outputs}
    features, measured = parts.inputs.shape[1], parts.measurements.shape[1]
    seen = features - measured
    bounded = bool((parts.actions[4] > 0.0).any())
    core, _ = _core(parts)
    text = fill(
        "policy.c",
        title=title,
        name=name,
        NAME=name.upper(),
        tables=constants(parts),
        picture=_picture(parts, seen) if parts.has_image else "",
        core=core,
        features=features,
        time_scale=_number("float", parts.time_scale),
        signature=signature(name, parts),
        check_measurements=_CHECK.format(name=name.upper(), count=measured) if measured else "",
        see=_see(parts) if parts.has_image else _UNUSED,
        measure=_MEASURE.format(count=measured, seen=seen) if measured else "",
        bound=_BOUND.format(count=parts.outputs) if bounded else "",
        **sizes,
    )
    for function in ("sigmoid", "hyperbolic_tangent"):
        if text.count(f"{function}(") == 1:  # nothing calls it
            text = re.sub(
                rf"static float {function}\(float x\)\n{{.*?\n}}\n\n", "", text, flags=re.S
            )
    return text


_UNUSED = "    memory->unused[0] = 0.0f;\n"
_CHECK = """\
    if (!is_finite(measurements, {count})) {{
        ++state->refused;
        return {name}_BAD_MEASUREMENT;
    }}
"""
_MEASURE = """\
    for (int32_t i = 0; i < {count}; ++i) {{
        float scaled = (measurements[i] - measurement_centre[i]) / measurement_scale[i];
        scaled = scaled > measurement_low[i] ? scaled : measurement_low[i];
        input[{seen} + i] = scaled < measurement_high[i] ? scaled : measurement_high[i];
    }}
"""
_BOUND = """\
    for (int32_t i = 0; i < {count}; ++i) {{
        const float span = action_span[i];
        if (span > 0.0f) {{
            output[i] = sigmoid(output[i] * (4.0f / span)) * span + action_low[i];
        }}
    }}
"""


def _tables(parts: Parts) -> list[str]:
    found = []
    for number, each in enumerate(parts.convolutions):
        rows, columns = each.kernel
        comment = f"{rows} x {columns} pixels of {each.channels} channels to {each.maps} maps"
        found += [
            table("float", f"weight_{number}", each.weight, comment),
            table("float", f"bias_{number}", each.bias),
        ]
    if parts.features is not None:
        names = ("weight", "linear_weight"), ("bias", "linear_bias"), ("gain", "norm_gain")
        for field, word in (*names, ("shift", "norm_shift")):
            found.append(table("float", word, getattr(parts.features, field)))
    if parts.measurements.size:
        words = ("centre", "scale", "low", "high")
        found += [
            table("float", f"measurement_{word}", row)
            for word, row in zip(words, parts.measurements, strict=True)
        ]
    found += [
        table("float", f"input_{word}", row)
        for word, row in zip(("scale", "shift"), parts.inputs, strict=True)
    ]
    names = (("output_scale", 0), ("output_shift", 1), ("action_unit", 2))
    if (parts.actions[4] > 0.0).any():
        names += (("action_low", 3), ("action_span", 4))
    return found + [table("float", word, parts.actions[row]) for word, row in names]


@functools.lru_cache(maxsize=1)
def constants(parts: Parts) -> str:
    """All tables: the weights as text, which takes the most time."""
    return "\n".join([*_tables(parts), *_core(parts)[1]])


def constant_bytes(parts: Parts) -> int:
    """Bytes of all constants."""
    return 4 * sum(int(size) for size in re.findall(r"\[(\d+)\] = \{", constants(parts)))


def _picture(parts: Parts, features: int) -> str:
    linear = parts.features
    convolutions = "".join(
        _convolution(number, each) for number, each in enumerate(parts.convolutions)
    )
    return fill(
        "picture.c",
        bytes=3 * parts.height * parts.width,
        convolutions=convolutions,
        features=features,
        groups=linear.groups,
        group_inputs=linear.weight.shape[1],
        group_features=linear.weight.shape[2],
        floor=_number("float", NORM_FLOOR),
    )


def _row_length(one: Convolution) -> int:
    return (one.size_in[1] + 2 * (one.kernel[1] // 2)) * one.channels


def _together(one: Convolution) -> int:
    """Pixels of a row that are computed at once."""
    return next(
        count
        for count in TOGETHER
        if count <= one.size_out[1] and (count * one.maps <= REGISTERS or count == 1)
    )


def _convolution(number: int, one: Convolution) -> str:
    rows, columns = one.kernel
    row_in, first = one.size_in[1] * one.channels, number == 0
    together = _together(one)
    pixels, step = range(together), one.stride[1] * one.channels
    value = f"in[from * {row_in} + i]"
    return fill(
        "convolution.c",
        comment=f"{one.size_in[0]} x {one.size_in[1]} x {one.channels} numbers to "
        f"{one.size_out[0]} x {one.size_out[1]} x {one.maps}.",
        number=number,
        in_type="const uint8_t *" if first else "const float *",
        statistics_in="float mean, float inverse," if first else "",
        value=f"((float){value} - mean) * inverse" if first else value,
        rows_in=one.size_in[0],
        row_in=row_in,
        row_length=_row_length(one),
        rows_out=one.size_out[0],
        columns_out=one.size_out[1],
        kernel_rows=rows,
        kernel_row=columns * one.channels,
        stride_rows=one.stride[0],
        step=step,
        pad_rows=rows // 2,
        pad=(columns // 2) * one.channels,
        maps=one.maps,
        together=together,
        sums=", ".join(f"sum_{p}[{one.maps}]" for p in pixels),
        begin=("\n" + 16 * " ").join(f"sum_{p}[c] = bias_{number}[c];" for p in pixels),
        values=", ".join(f"value_{p} = start[{p * step} + i]" for p in pixels),
        add=("\n" + 24 * " ").join(f"sum_{p}[c] += value_{p} * weight[c];" for p in pixels),
        rectify=("\n" + 16 * " ").join(
            f"to[{p * one.maps} + c] = sum_{p}[c] > 0.0f ? sum_{p}[c] : 0.0f;" for p in pixels
        ),
        last_block=one.size_out[1] - together,
    )


def _see(parts: Parts) -> str:
    """The calls that make features of a picture."""
    lines = [
        "float mean, inverse;",
        "statistics(image, &mean, &inverse);",
        "convolve_0(image, mean, inverse, memory->row, memory->even);",
    ]
    places = ("even", "odd")
    for number in range(1, len(parts.convolutions)):
        before, after = places[(number - 1) % 2], places[number % 2]
        lines.append(f"convolve_{number}(memory->{before}, memory->row, memory->{after});")
    last = places[(len(parts.convolutions) - 1) % 2]
    lines.append(f"extract(memory->{last}, input);")
    return "".join(f"    {line}\n" for line in lines)


def _core(parts: Parts) -> tuple[str, list[str]]:
    """Code and tables of the core."""
    if isinstance(parts.core, LtcCircuit):
        return _ltc(parts, parts.core)
    return _cfc(parts, parts.core)


def _ltc(parts: Parts, core: LtcCircuit) -> tuple[str, list[str]]:
    tables = []
    for place, part in enumerate(("sensory", "recurrent")):
        tables += [
            table("int32_t", f"{part}_first", core.first[place]),
            table("int32_t", f"{part}_source", core.sources[place]),
        ]
        columns = ("slope", "offset", "reversal", "conductance")
        tables += [
            table("float", f"{part}_{word}", column)
            for word, column in zip(columns, core.synapses[place].T, strict=True)
        ]
    words = ("capacitance", "leak_potential", "leak")
    tables += [
        table("float", word, column) for word, column in zip(words, core.neurons.T, strict=True)
    ]
    sensory, recurrent = (len(each) for each in core.sources)
    code = fill(
        "ltc.c",
        neurons=parts.neurons,
        outputs=parts.outputs,
        unfolds=core.unfolds,
        sensory=sensory,
        recurrent=recurrent,
        most_synapses=max(sensory, recurrent),
    )
    return code, tables


def _cfc(parts: Parts, core: CfcLayers) -> tuple[str, list[str]]:
    tables, layers, calls, given = [], [], [], "input"
    for number, each in enumerate(core.layers):
        tables += [
            table("float", f"weight_of_layer_{number}", each.weight),
            table("float", f"bias_of_layer_{number}", each.bias),
        ]
        layers.append(
            fill(
                "cfc_layer.c",
                number=number,
                units=each.units,
                start=each.start,
                sources=len(each.weight) - each.units,
            )
        )
        neurons = f"neuron + {each.start}"
        calls.append(f"    layer_{number}({given}, dt, {neurons});")
        given = neurons
    code = fill("cfc.c", layers="".join(layers), calls="\n".join(calls), outputs=parts.outputs)
    return code, tables


def multiply_adds(parts: Parts) -> int:
    """Of one step, for a comparison with what a processor can do at best: convolutions and linear
    layer."""
    linear = parts.features.weight.size if parts.features else 0
    return sum(each.multiply_adds for each in parts.convolutions) + linear
