"""Interface of all recurrent cells."""

from __future__ import annotations

import numbers
from collections.abc import Callable

import torch
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.plain_loop import find_obstacle, own_precision
from liquid_control.policy.cells.sequence_checks import (
    State,
    blank_masked,
    check_sequence,
    check_step,
    check_types,
    reset_mask,
    widen,
)

KERNELS = ("auto", "reference", "fused")
"""`auto`: a fused kernel where one applies; `reference`: never; `fused`: always, and an error where
none applies. Read by `policy.kernels.choose`."""


class Cell(nn.Module):
    """A recurrent cell: each input advances its state by the time since the input before.

    The state is the arrays that `state` names, (B, *shape) each. Methods take and return it as `h`:
    the tensor where there is one array, a tuple of tensors in the order of `state` where there are
    several.

    Subclasses set `inputs`, `outputs` and `state` and define `forward`, the unchecked step that is
    exported, and `read` where the outputs are not the first numbers of the state. They may replace
    `forward_sequence`, the unchecked loop over a sequence, by a faster one;
    `policy.kernels.choose.unroll` runs a fused kernel in its place where there is one.
    """

    inputs: int
    outputs: int
    state: tuple[StateArray, ...]
    kernel: str = "auto"

    @property
    def state_size(self) -> int:
        """How many numbers the state holds, over all arrays."""
        return sum(array.size for array in self.state)

    def initial_state(self, batch: int) -> State:
        """The state at the start of a sequence: zeros."""
        like = weight_of(self)
        like = torch.zeros(()) if like is None else like
        arrays = tuple(like.new_zeros(batch, *array.shape) for array in self.state)
        return arrays if len(arrays) > 1 else arrays[0]

    def step(self, x: Tensor, h: State, dt: Tensor) -> tuple[Tensor, State]:
        """One input: x (B, F), h, dt (B,) → y (B, M), h. Raises ArgumentError, ShapeError,
        NotFiniteError and TimeError."""
        x, h, dt = check_types(x, h, dt, weight_of(self))
        with own_precision(x.device):
            y, h = self(x, h, check_step(x, h, dt, self.inputs, self.state))
        return y.clone(), h

    def unroll(
        self,
        x: Tensor,
        h: State,
        dt: Tensor,
        is_first: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """A sequence, by the readable code: x (B, T, F), h, dt (B, T) → y (B, T, M), h.

        The state is zeroed before inputs that is_first (B, T) bool marks. Inputs where mask (B, T)
        bool is false do not happen: they leave the state, repeat the output before, and their x, dt
        and is_first are not read. Raises ArgumentError, ShapeError, NotFiniteError and TimeError.
        """
        return checked_sequence(readable_sequence, self, x, h, dt, is_first, mask)

    def forward_sequence(
        self, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """`unroll` without its checks: one call of `forward` per input."""
        keep, y, outputs = reset_mask(is_first, x), self.read(h), []
        for t in range(x.shape[1]):
            h = h if keep is None else _each(lambda a, k=keep[:, t]: a * widen(k, a), h)
            now, advanced = self(x[:, t], h, dt[:, t])
            if mask is None:
                y, h = now, advanced
            else:
                y, h = _where(mask[:, t, None], (now, advanced), (y, h))
            outputs.append(y)
        return torch.stack(outputs, dim=1), h

    def time_constants_of_step(
        self, x: Tensor, before: State, dt: Tensor, after: State
    ) -> Tensor | None:
        """How long each of the first numbers of the state (B, N) remembers, in the unit of dt, in
        the step from `before` to `after`; None for cells whose step does not depend on time. What
        that is in a core: `CoreConfig.time_constant`."""
        return None

    def read(self, h: State) -> Tensor:
        """The outputs (B, M) before the first input, which masked inputs repeat: the first numbers
        of the state."""
        return (h if isinstance(h, Tensor) else h[0])[:, : self.outputs]


def checked_sequence(
    run: Callable[..., tuple[Tensor, State]],
    cell: Cell,
    x: Tensor,
    h: State,
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, State]:
    """`Cell.unroll` by run(cell, x, h, dt, is_first, mask): arguments are checked and have the
    cell's type, and no output shares memory with the state."""
    x, h, dt = check_types(x, h, dt, weight_of(cell))
    x, dt, is_first = blank_masked(x, dt, is_first, mask)
    dt = check_sequence(x, h, dt, is_first, cell.inputs, cell.state)
    with own_precision(x.device):
        y, h = run(cell, x, h, dt, is_first, mask)
    return y, _each(torch.clone, h)


def readable_sequence(
    cell: Cell, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, State]:
    """`forward_sequence` by the cell's own loop, or by the plain one where `plain_loop` says so."""
    loop = Cell if find_obstacle(cell) else type(cell)
    return loop.forward_sequence(cell, x, h, dt, is_first, mask)


def weight_of(cell: nn.Module) -> Tensor | None:
    """The number whose type and device the cell's state has; None in a cell without any."""
    for parameter in cell._parameters.values():
        if parameter is not None:
            return parameter
    found = next(cell.parameters(), None)
    if found is None:
        found = next((buffer for buffer in cell.buffers() if buffer.is_floating_point()), None)
    return found


def split_state(flat: Tensor, state: tuple[StateArray, ...]) -> State:
    """One tensor (B, U) as the arrays of a cell's `state`."""
    if len(state) == 1:
        return flat.unflatten(1, state[0].shape)
    parts = zip(flat.split([array.size for array in state], dim=1), state, strict=True)
    return tuple(part.unflatten(1, array.shape) for part, array in parts)


def join_state(h: State) -> Tensor:
    """A cell's state as one tensor (B, U)."""
    if isinstance(h, Tensor):
        return h.flatten(1)
    return torch.cat([array.flatten(1) for array in h], dim=1)


def check_kernel(cell: str, kernel: object) -> str:
    """Returns `kernel` when it is one of `KERNELS`; raises ConfigError."""
    if kernel not in KERNELS:
        raise ConfigError(f"{cell}.kernel", kernel, "one of " + ", ".join(KERNELS))
    return kernel


def check_sizes(cell: str, low: int = 1, **sizes: object) -> None:
    """Raises ConfigError unless all sizes are whole numbers of at least `low`."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
            raise ConfigError(f"{cell}.{name}", value, f"a whole number of at least {low}")


def _where(happens: Tensor, new: tuple, old: tuple) -> tuple[Tensor, State]:
    """(y, h) of new where happens (B, 1) is true, of old elsewhere."""
    happens = happens.bool()
    h = _each(lambda a, b: torch.where(widen(happens, a), a, b), new[1], old[1])
    return torch.where(happens, new[0], old[0]), h


def _each(function: Callable[..., Tensor], *states: State) -> State:
    """function of every array of the states."""
    if isinstance(states[0], Tensor):
        return function(*states)
    return tuple(function(*arrays) for arrays in zip(*states, strict=True))
