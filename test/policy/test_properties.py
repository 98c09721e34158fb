"""What every cell must do, of any kind and on any kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from liquid_control.errors import ArgumentError, ConfigError, NotFiniteError, ShapeError, TimeError
from liquid_control.model.cores import CORES
from liquid_control.policy.cells.cell import KERNELS, join_state, split_state
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cores import build_core
from liquid_control.policy.kernels import choose

DOUBLE = torch.float64


def unroll(cell, x, h, dt, is_first=None, mask=None):
    """`choose.unroll` with the state as one tensor."""
    y, h = choose.unroll(cell, x, split_state(h, cell.state), dt, is_first, mask)
    return y, join_state(h)


def step(cell, x, h, dt):
    """`cell.step` with the state as one tensor."""
    y, h = cell.step(x, split_state(h, cell.state), dt)
    return y, join_state(h)


def inputs(cell, batch, time, seed=0):
    """x, h, dt (its own in every row and step), is_first, mask."""
    g = torch.Generator().manual_seed(seed)
    x, h = (
        torch.randn(*shape, generator=g, dtype=DOUBLE)
        for shape in ((batch, time, cell.inputs), (batch, cell.state_size))
    )
    dt = 10 ** (2 * torch.rand(batch, time, generator=g, dtype=DOUBLE) - 1.5)
    return (
        x,
        h / 3,
        dt,
        torch.rand(batch, time, generator=g) < 0.25,
        torch.rand(batch, time, generator=g) < 0.7,
    )


def by_steps(cell, x, h, dt, is_first, mask):
    """`unroll` by its definition; the first input must not be masked."""
    outputs = []
    for t in range(x.shape[1]):
        present = mask[:, t, None]
        y, after = step(
            cell, x[:, t], torch.where(is_first[:, t, None], torch.zeros_like(h), h), dt[:, t]
        )
        outputs.append(torch.where(present, y, outputs[-1]) if t else y)
        h = torch.where(present, after, h)
    return torch.stack(outputs, dim=1), h


def test_a_batch_equals_a_loop_of_singles(cell):
    """For every batch size up to 64, that of the neurons (12) included: there ncps takes a row of
    dt for a row of neurons."""
    x, h, dt, is_first, mask = inputs(cell, 64, 3)
    with torch.no_grad():
        rows = [
            unroll(
                cell,
                x[i : i + 1],
                h[i : i + 1],
                dt[i : i + 1],
                is_first[i : i + 1],
                mask[i : i + 1],
            )
            for i in range(64)
        ]
        y, last = (torch.cat(parts) for parts in zip(*rows, strict=True))
        for size in range(1, 65):
            together = unroll(cell, x[:size], h[:size], dt[:size], is_first[:size], mask[:size])
            plain = unroll(cell, x[:size], h[:size], dt[:size])
            assert (together[0] - y[:size]).abs().max() < 1e-12 and (
                together[1] - last[:size]
            ).abs().max() < 1e-12
            stepped = step(cell, x[:size, 0], h[:size], dt[:size, 0])
            assert (stepped[0] - plain[0][:, 0]).abs().max() < 1e-12


def test_dt_of_a_row_matters_to_that_row_only(cell):
    x, h, dt, *_ = inputs(cell, 12, 1)
    longer = dt.clone()
    longer[5] *= 3
    moved = (
        (step(cell, x[:, 0], h, longer[:, 0])[1] - step(cell, x[:, 0], h, dt[:, 0])[1])
        .abs()
        .amax(dim=1)
    )
    assert (moved[5] > 1e-4) == cell.uses_time and moved.sum() == moved[5]


def test_unroll_equals_repeated_step(cell):
    x, h, dt, is_first, mask = inputs(cell, 5, 7)
    everything, nothing = torch.ones_like(mask), torch.zeros_like(mask)
    mask[:, 0] = True
    with torch.no_grad():
        for arguments, definition in (
            ((), (nothing, everything)),
            ((is_first,), (is_first, everything)),
            ((is_first, mask),) * 2,
        ):
            got, wanted = unroll(cell, x, h, dt, *arguments), by_steps(cell, x, h, dt, *definition)
            assert (got[0] - wanted[0]).abs().max() < 1e-12 and (
                got[1] - wanted[1]
            ).abs().max() < 1e-12
        assert torch.equal(
            unroll(cell, x, h, dt, None, mask)[0], unroll(cell, x, h, dt, nothing, mask)[0]
        )


def test_is_first_in_the_middle_makes_two_sequences(cell):
    x, h, dt, *_ = inputs(cell, 3, 6)
    is_first = torch.zeros(3, 6, dtype=torch.bool)
    is_first[:, 4] = True
    with torch.no_grad():
        y, last = unroll(cell, x, h, dt, is_first)
        head, _ = unroll(cell, x[:, :4], h, dt[:, :4])
        tail, end = unroll(cell, x[:, 4:], join_state(cell.initial_state(3)), dt[:, 4:])
    assert (y - torch.cat([head, tail], dim=1)).abs().max() < 1e-12 and (
        last - end
    ).abs().max() < 1e-12
    assert ((y - unroll(cell, x, h, dt)[0]).abs().max() > 1e-4) == cell.uses_state


def test_masked_inputs_have_no_effect(cell):
    """Rows of any length and with masked steps equal the same rows without these steps, whose
    inputs are not read."""
    x, h, dt, is_first, mask = inputs(cell, 6, 9)
    mask[0], mask[1] = False, torch.arange(9) < 4
    x[~mask], dt[~mask], is_first[~mask] = float("nan"), -1.0, True
    x.requires_grad_()
    y, last = unroll(cell, x, h, dt, is_first, mask)
    for row in range(6):
        kept = mask[row].nonzero().flatten()
        if len(kept):
            alone, end = unroll(
                cell,
                *(
                    part[row : row + 1, kept]
                    if part.ndim > 1 and part is not h
                    else h[row : row + 1]
                    for part in (x, h, dt, is_first)
                ),
            )
            assert (y[row, kept] - alone[0]).abs().max() < 1e-12 and (
                last[row] - end[0]
            ).abs().max() < 1e-12
        else:
            resting = h[row, : cell.outputs] * getattr(cell, "output_scale", 1) + getattr(
                cell, "output_shift", 0
            )
            assert torch.equal(last[row], h[row]) and (y[row] - resting).abs().max() < 1e-15
    repeated = (~mask[:, 1:]).nonzero(as_tuple=True)
    assert torch.equal(y[:, 1:][repeated], y[:, :-1][repeated])
    gradient = torch.autograd.grad(y.sum() + last.sum(), x)[0]
    assert torch.isfinite(gradient).all() and not gradient[~mask].any() and gradient[mask].any()


def test_gradients_with_mask_and_restarts_equal_those_of_the_steps(cell):
    x, h, dt, is_first, mask = inputs(cell, 4, 5)
    mask[:, 0] = True
    leaves = [x.requires_grad_(), h.requires_grad_(), dt.requires_grad_(), *cell.parameters()]
    results = []
    for y, last in (
        unroll(cell, x, h, dt, is_first, mask),
        by_steps(cell, x, h, dt, is_first, mask),
    ):
        loss = (
            y * torch.linspace(-1, 1, y.numel(), dtype=DOUBLE).view_as(y)
        ).sum() + last.square().sum()
        results.append(torch.autograd.grad(loss, leaves, allow_unused=True))
    for ours, wanted in zip(*results, strict=True):
        assert (ours is None) == (wanted is None) and (
            ours is None or (ours - wanted).abs().max() < 1e-10
        )


def test_every_parameter_learns(cell):
    x, h, dt, is_first, _ = inputs(cell, 8, 4)
    sum(part.square().sum() for part in unroll(cell, x, h, dt, is_first)).backward()
    assert [
        name for name, p in cell.named_parameters() if p.grad is None or not p.grad.abs().max() > 0
    ] == []


def test_single_precision_agrees_with_double(cell):
    x, h, dt, is_first, mask = inputs(cell, 4, 6)
    with torch.no_grad():
        wanted = unroll(cell, x, h, dt, is_first, mask)
        got = unroll(cell.float(), x.float(), h.float(), dt.float(), is_first, mask)
    for ours, exact in zip(got, wanted, strict=True):
        assert ours.dtype == torch.float32 and (ours - exact).abs().max() < 1e-4


def test_weights_survive_the_way_through_a_file(cell):
    x, h, dt, is_first, _ = inputs(cell, 2, 3)
    wanted = unroll(cell, x, h, dt, is_first)[0]
    state = {name: value.clone() for name, value in cell.state_dict().items()}
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
    cell.load_state_dict(state)
    assert torch.equal(unroll(cell, x, h, dt, is_first)[0], wanted)


@pytest.mark.parametrize("bad", [0.0, -0.1, float("nan"), float("inf"), -float("inf")])
def test_a_bad_dt_is_refused_wherever_it_stands(cell, bad):
    x, h, dt, is_first, _ = inputs(cell, 3, 4)
    dt[1, 2] = bad
    with pytest.raises(TimeError, match=f"got {bad}.*timeline"):
        unroll(cell, x, h, dt, is_first)
    with pytest.raises(TimeError):
        step(cell, x[:, 2], h, dt[:, 2])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_inputs_and_states_that_are_not_finite_are_refused_with_their_place(cell, bad):
    x, h, dt, *_ = inputs(cell, 3, 4)
    x[1, 2, 3], clean = bad, x.clone()
    with pytest.raises(NotFiniteError, match=rf"x: got {bad} at \(1, 2, 3\)"):
        unroll(cell, x, h, dt)
    with pytest.raises(NotFiniteError, match=r"x: .*\(1, 3\)"):
        step(cell, x[:, 2], h, dt[:, 2])
    h[2, 7] = bad
    with pytest.raises(NotFiniteError, match=r"h.*: .*\(2, 7\)"):
        unroll(cell, clean, h, dt)


def test_wrong_shapes_are_refused_with_both_shapes_in_the_message(cell):
    x, h, dt, is_first, mask = inputs(cell, 3, 4)
    state = cell.state[0].size
    arrays = split_state(h, cell.state)
    rest = arrays[1:] if len(cell.state) > 1 else ()

    def put(part):
        """The state with another first array."""
        return (part, *rest) if rest else part

    h = arrays[0] if rest else arrays
    for arguments, got, expected in (
        ((x[..., :2], put(h), dt), "(3, 4, 2)", "(batch, time of at least 1, 5)"),
        ((x[:, :0], put(h), dt[:, :0]), "(3, 0, 5)", "(batch, time of at least 1, 5)"),
        ((x[0], put(h), dt), "(4, 5)", "(batch, time of at least 1, 5)"),
        ((x, put(h[:2]), dt), f"(2, {state})", f"(3, {state})"),
        ((x, put(h[:, 1:]), dt), f"(3, {state - 1})", f"(3, {state})"),
        ((x, put(h), dt[:, :1]), "(3, 1)", "(3, 4)"),
        ((x, put(h), dt[0]), "(4,)", "(3, 4)"),
        ((x, put(h), dt, is_first[:, 1:]), "(3, 3)", "(3, 4)"),
        ((x, put(h), dt, is_first, mask[:2]), "(2, 4)", "(3, 4)"),
        ((x, put(h), dt, is_first[1:], mask), "(2, 4)", "(3, 4)"),
    ):
        with pytest.raises(ShapeError) as error:
            choose.unroll(cell, *arguments)
        assert got in str(error.value) and expected in str(error.value)
    for arguments, got, expected in (
        ((x[:, 0], put(h), torch.tensor(0.1)), "()", "(3,)"),
        ((x[:, 0], put(h[:, :3]), dt[:, 0]), "(3, 3)", f"(3, {state})"),
        ((x, put(h), dt[:, 0]), "(3, 4, 5)", "(3, 5)"),
    ):
        with pytest.raises(ShapeError) as error:
            cell.step(*arguments)
        assert got in str(error.value) and expected in str(error.value)


def test_the_list_of_cells_has_the_cell_of_every_core(cells):
    listed = {type(make()) for make in cells.values()}
    for name, core in CORES.items():
        built = build_core(core(), 32, 1, core().wiring.draw(32, 1) if core.wired else None)
        assert type(built if core.wired else built.recurrent) in listed, name


def test_kernels_are_chosen_by_name(cell):
    if type(cell) not in choose.REGISTERED:
        return
    for wrong in ("fast", None, 1):
        with pytest.raises(ConfigError, match=", ".join(KERNELS)):
            type(cell)(*((cell.wiring,) if hasattr(cell, "wiring") else (5, 12)), kernel=wrong)


def test_a_state_of_several_arrays_is_a_tuple_of_them(cell):
    x, h, dt, *_ = inputs(cell, 3, 4)
    arrays, start = split_state(h, cell.state), cell.initial_state(3)
    assert isinstance(start, tuple) == (len(cell.state) > 1)
    parts = start if isinstance(start, tuple) else (start,)
    assert [tuple(part.shape) for part in parts] == [(3, *array.shape) for array in cell.state]
    assert len({array.name for array in cell.state}) == len(cell.state)
    assert torch.equal(join_state(arrays), h) and not join_state(start).any()
    wrong = [(arrays,), (h, h)] if len(cell.state) == 1 else [h, arrays[:1], (*arrays, h)]
    for state in wrong:
        with pytest.raises(ShapeError, match="h: .*(one tensor|a tuple of .*)"):
            cell.step(x[:, 0], state, dt[:, 0])


def test_types_have_one_answer_whatever_runs(cell):
    x, _, dt, *_ = (part.float() for part in inputs(cell, 3, 4))
    h = cell.float().initial_state(3)
    wide = split_state(join_state(h).double(), cell.state)
    for run in (lambda *a: choose.unroll(cell, *a), cell.unroll):
        y, last = run(x, wide, dt.double())
        assert y.dtype == join_state(last).dtype == torch.float32
        assert torch.equal(y, run(x, h, dt)[0])
    y, last = cell.step(x[:, 0], wide, dt[:, 0].double())
    assert y.dtype == join_state(last).dtype == torch.float32
    for arguments, words in (
        ((x, h, 0.1), "dt: got a float, expected a tensor .*torch.full"),
        ((x, None, dt), "h: got a NoneType, .*initial_state"),
        ((x, (None,), dt), "h: got a tuple, .*initial_state"),
        ((x.numpy(), h, dt), "x: got a ndarray, expected a tensor: torch.as_tensor"),
        ((x.long(), h, dt), "x: got torch.int64, expected torch.float32"),
        ((x.double(), h, dt), "x: got torch.float64, expected torch.float32"),
    ):
        for run in (lambda *a: choose.unroll(cell, *a), cell.unroll):
            with pytest.raises(ArgumentError, match=words):
                run(*arguments)
        step = (
            part[:, 0] if getattr(part, "ndim", 0) > 1 and part is not h else part
            for part in arguments
        )
        with pytest.raises(ArgumentError, match=words):
            cell.step(*step)


def test_sizes_may_be_numbers_of_numpy():
    assert CfcCell(np.int64(5), np.int32(12)).units == 12
    with pytest.raises(ConfigError):
        CfcCell(np.float64(5), 12)
