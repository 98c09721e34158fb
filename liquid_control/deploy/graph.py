"""Names of the inputs and outputs of an exported graph."""

from __future__ import annotations

import dataclasses

from liquid_control.model.spec import PolicySpec

NEXT = "next_"
"""Begins the name of an output that is fed back as the input with the rest of the name."""


@dataclasses.dataclass(frozen=True)
class GraphNames:
    """Names in the graph's order: image and measurements where the policy has them, dt, state
    arrays; action, next state arrays."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def graph_names(spec: PolicySpec, first_format: bool = False) -> GraphNames:
    """The names of a policy's graph. `first_format`: of a model of format 1, which is the car's."""
    if first_format:
        return GraphNames(("image", "inertial", "dt", "state"), ("curvature", "next_state"))
    state = tuple(array.name for array in spec.state)
    return GraphNames(
        ("image",) * (spec.image is not None)
        + ("measurements",) * bool(spec.measurements)
        + ("dt", *state),
        ("action", *(NEXT + name for name in state)),
    )
