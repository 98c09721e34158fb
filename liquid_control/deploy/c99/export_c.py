"""Writes the C99 source of a model, with a test, an example and build files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from liquid_control.deploy.c99.parts import Parts, parts_of
from liquid_control.deploy.c99.source import (
    arguments,
    constant_bytes,
    fill,
    header,
    identifier,
    memory_bytes,
    source,
    table,
)
from liquid_control.model.artefacts import WEIGHTS
from liquid_control.model.model_file import read_model
from liquid_control.model.spec import column
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import read_network
from liquid_control.system.files import write_atomically

STEPS = 32
"""Of the test's drive."""


def export_c(directory: str | Path, out: str | Path) -> dict:
    """Writes a model's policy as C99 into a folder: header, source, test, example, Makefile and
    CMakeLists.txt. Returns its `files`, `constant_bytes`, `state_bytes` and `memory_bytes`.

    Raises ModelFileError, and ConfigError for a core that has no C code.
    """
    info, out = read_model(directory), Path(out)
    network, parts = read_network(info), parts_of(info)
    name = identifier(info.directory.resolve().name)
    title = f"{name}: {info.policy.core.name} policy, written by liquid-control export --c"
    weights = info.files[WEIGHTS]
    texts = {
        f"{name}.h": header(name, title, parts, info.spec, weights),
        f"{name}.c": source(name, title, parts),
        f"test_{name}.c": self_test(name, parts, network),
        f"example_{name}.c": example(name, parts),
        "Makefile": fill("Makefile", name=name, title=title),
        "CMakeLists.txt": fill("CMakeLists.txt", name=name, title=title),
    }
    out.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        with write_atomically(out / file) as path:
            path.write_text(text, encoding="utf-8")
    return {
        "files": [str(out / file) for file in texts],
        "constant_bytes": constant_bytes(parts),
        "state_bytes": 4 * parts.neurons + 4,
        "memory_bytes": memory_bytes(parts),
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Drive:
    """Inputs of the test: images (T, h, w, 3) uint8 or None, measurements (T, M), dt (T,), and the
    network's answers: actions (T, A) and the state (U,) after them."""

    image: np.ndarray | None
    measurements: np.ndarray
    dt: np.ndarray
    action: np.ndarray
    state: np.ndarray


def drive(network: PolicyNetwork, steps: int, seed: int = 0) -> Drive:
    """Steps of free-running irregular time. The pictures are those that the test's C code draws:
    the top bytes of the congruential generator of Numerical Recipes."""
    spec, rng = network.spec, np.random.default_rng(seed)
    image = None
    if spec.image is not None:
        size = (steps, spec.image.height, spec.image.width, 3)
        image = noise(int(np.prod(size))).reshape(size)
    centre, scale = column(spec.measurements, "centre"), column(spec.measurements, "scale")
    measured = (centre + scale * rng.standard_normal((steps, len(scale)))).astype(np.float32)
    dt = rng.uniform(0.005, 0.2, steps).astype(np.float32)
    actions, state = [], network.initial_state(1)
    with torch.inference_mode():
        for t in range(steps):
            action, state = network.step(
                None if image is None else torch.from_numpy(image[t : t + 1]),
                torch.from_numpy(measured[t : t + 1]),
                torch.from_numpy(dt[t : t + 1]),
                state,
            )
            actions.append(action[0].numpy())
    return Drive(image, measured, dt, np.stack(actions), state[0].numpy())


def noise(count: int) -> np.ndarray:
    """(count,) uint8: as `draw` of the test's C code, from 1."""
    with np.errstate(over="ignore"):
        factor, step = np.uint32(1664525), np.uint32(1013904223)
        found, value = np.empty(count, np.uint8), np.uint32(1)
        powers, sums = _jumps(factor, step, 1 << 12)
        for first in range(0, count, len(powers)):
            block = value * powers + sums
            part = block[: count - first]
            found[first : first + len(part)] = part >> np.uint32(24)
            value = block[-1]
    return found


def _jumps(factor: np.uint32, step: np.uint32, count: int) -> tuple[np.ndarray, np.ndarray]:
    """a (count,) and b (count,) with value number i after x = x a_i + b_i, modulo 2^32."""
    powers = np.cumprod(np.full(count, factor), dtype=np.uint32)
    before = np.concatenate([[np.uint32(1)], powers[:-1]]).astype(np.uint32)
    return powers, np.cumsum(before * step, dtype=np.uint32)


def self_test(name: str, parts: Parts, network: PolicyNetwork) -> str:
    """The text of the self-test."""
    found, measured = drive(network, STEPS), parts.measurements.shape[1]
    tables = [
        table("float", "time_step", found.dt),
        table("float", "expected_action", found.action),
        table("float", "expected_neuron", found.state),
        table("float", "action_scale", column(network.spec.actions, "scale")),
    ]
    if measured:
        tables.insert(0, table("float", "measured", found.measurements))
    picture = "        for (int32_t i = 0; i < (int32_t)sizeof image; ++i) {\n"
    picture += "            image[i] = (uint8_t)draw();\n        }"
    given = {
        "image": "image",
        "measurements": f"measured + step * {measured}",
        "dt": "time_step[step]",
    }
    text = fill(
        "test_policy.c",
        name=name,
        NAME=name.upper(),
        tables="\n".join(tables),
        actions=parts.outputs,
        neurons=parts.neurons,
        steps=STEPS,
        declare=_image(parts),
        picture=picture if parts.has_image else "",
        arguments=_call(parts, given),
        refused=_call(parts, given | {"measurements": "measured", "dt": "0.0f"}),
    )
    if not parts.has_image:
        start, end = text.index("static uint32_t noise"), text.index("int main(void)")
        text = text[:start] + text[end:]
    return text


def example(name: str, parts: Parts) -> str:
    """The text of the example: a program that reads steps and prints actions."""
    measured = parts.measurements.shape[1]
    declare, read, usage = [], "", ["the time since the step before [s]"]
    if measured:
        declare.append(f"    float measurements[{measured}];")
        read += "\n           && fread(measurements, sizeof measurements, 1, stdin) == 1"
        usage.append(f"{measured} measurements")
    if parts.has_image:
        declare.append(_image(parts))
        read += "\n           && fread(image, sizeof image, 1, stdin) == 1"
        usage.append(f"{parts.height} x {parts.width} x 3 bytes of a picture")
    given = {name: name for name in ("image", "measurements", "dt")}
    return fill(
        "example.c",
        name=name,
        NAME=name.upper(),
        usage=",\n * ".join([usage[0] + " as float", *usage[1:]]),
        declare="\n".join(declare),
        read=read,
        arguments=_call(parts, given),
    )


def _image(parts: Parts) -> str:
    size = 3 * parts.height * parts.width
    return f"    static uint8_t image[{size}];" if parts.has_image else ""


def _call(parts: Parts, given: dict[str, str]) -> str:
    words = [given[word] for _, word in arguments(parts)]
    return ", ".join([*words, "&state", "&memory", "action"])
