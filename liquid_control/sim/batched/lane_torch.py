"""`lane_cpu` in PyTorch, for any device: the same random numbers give the same worlds."""

from __future__ import annotations

import torch
from torch import Tensor

from liquid_control.sim.batched import motion_torch
from liquid_control.sim.batched.batch import (
    BROKEN,
    EXPOSED,
    GOES_ON,
    PERIOD,
    SEEN_AHEAD,
    SEEN_ERROR,
    SEEN_EXPERT,
    SEEN_OFFSET,
    SEEN_STATION,
    TERMINATED,
    TRUNCATED,
    Batch,
    Drawn,
    Pool,
    Rules,
    Shown,
)
from liquid_control.sim.batched.lane_cpu import CENTRES, COUNT, LARGEST, SCALES
from liquid_control.sim.batched.motion import (
    DELAY,
    LAG,
    LATERAL,
    ROW_COS,
    ROW_CURVATURE,
    ROW_HEADING,
    ROW_PLAN,
    ROW_SIN,
    ROW_X,
    ROW_Y,
    SPACING,
    SPEED,
    STATION,
    STEERING,
    STEP,
    STEPS_PER_ADVANCE,
    WHEEL,
    WHEELBASE,
    YAW,
    YAW_RATE,
    X,
    Y,
)
from liquid_control.sim.batched.numbers import AHEAD, NOISE
from liquid_control.sim.bodies.car_parameters import TO_REAR_AXLE
from liquid_control.sim.sensors import ACCELEROMETER_NOISE, GYRO_NOISE, SPEED_NOISE
from liquid_control.sim.tasks.lane_keeping import (
    DEPARTURE,
    LOOK_AHEAD_TIME,
    OFF_ROAD,
    SHORTEST_LOOK_AHEAD,
    TURNED_AROUND,
)


def step(
    pool: Pool, batch: Batch, rules: Rules, drawn: Drawn, action: Tensor, shown: Shown
) -> None:
    """See `lane_cpu.step`."""
    curvature = torch.nan_to_num(action[:, 0], 0.0).clamp(-LARGEST, LARGEST)
    _command(batch, rules, curvature)
    steps, passed = _expose(batch, rules, drawn)
    before = batch.state[:, STATION].clone()
    state, means = motion_torch.advance(
        batch.state,
        batch.car,
        pool.rows,
        rules.samples,
        batch.road,
        batch.clock,
        steps,
        batch.starts,
        batch.angles,
    )
    batch.state.copy_(state)
    batch.means.copy_(means)
    batch.clock.add_(steps)
    _look(pool, batch, rules)
    shown.dt.copy_(passed)
    ended = _ended(batch, rules)
    shown.ended.copy_(ended)
    share = (1.0 - batch.seen[:, SEEN_OFFSET].abs() / DEPARTURE).clamp(min=0.0)
    gained = (batch.seen[:, SEEN_STATION] - before) * share
    change = (curvature - batch.asked) / 0.04
    reward = gained - rules.roughness * change * change
    shown.reward.copy_(torch.where(ended == BROKEN, 0.0, reward))
    batch.asked.copy_(curvature)
    count = (steps // STEPS_PER_ADVANCE).clamp(min=1)
    seen = _show(batch, rules, drawn.noise[0], count)
    for out, values in zip((shown.numbers, shown.inertial, shown.known), seen, strict=True):
        out.copy_(values)
    rows = (ended != GOES_ON).nonzero()[:, 0]
    if len(rows):
        lasts = (shown.last_numbers, shown.last_inertial, shown.last_known)
        for out, values in zip(lasts, seen, strict=True):
            out.copy_(values)
        shown.last_state.copy_(batch.state)
        begin(rows, pool, batch, rules, drawn, shown)


def begin(rows: Tensor, pool: Pool, batch: Batch, rules: Rules, drawn: Drawn, shown: Shown) -> None:
    """Worlds `rows` (n,) begin an episode, see `lane_cpu.begin`."""
    _renew(rows, pool, batch, rules, drawn)
    _look(pool, batch, rules)
    first = _show(batch, rules, drawn.noise[1], torch.ones_like(batch.clock))
    for out, values in zip((shown.numbers, shown.inertial, shown.known), first, strict=True):
        out[rows] = values[rows]


def _command(batch: Batch, rules: Rules, curvature: Tensor) -> None:
    angle = torch.atan(rules.wheelbase * curvature)
    angle = angle.clamp(-rules.largest_angle, rules.largest_angle) + rules.steering_offset
    arrival = torch.ceil((batch.times[:, EXPOSED] + rules.latency) / STEP).long()
    start = torch.maximum(arrival, batch.clock) + STEPS_PER_ADVANCE - 1
    start = start // STEPS_PER_ADVANCE * STEPS_PER_ADVANCE + batch.car[:, DELAY].long()
    batch.starts.copy_(torch.cat([batch.starts[:, 1:], start[:, None]], 1))
    batch.angles.copy_(torch.cat([batch.angles[:, 1:], angle[:, None]], 1))


def _expose(batch: Batch, rules: Rules, drawn: Drawn) -> tuple[Tensor, Tensor]:
    jitter = 1.0 + rules.jitter * (2.0 * drawn.exposure[0].double() - 1.0)
    arrives = drawn.exposure[1] >= rules.drop_share
    arrives[:, -1] = True
    index = arrives.long().argmax(1, keepdim=True)
    passed = (batch.times[:, PERIOD, None] * jitter).cumsum(1).gather(1, index)[:, 0]
    batch.times[:, EXPOSED] += passed
    steps = torch.ceil(batch.times[:, EXPOSED] / STEP).long() - batch.clock
    return steps.clamp(min=1), passed


def at(pool: Pool, rules: Rules, road: Tensor, station: Tensor) -> Tensor:
    """Rows (B, ROW) of roads at stations (B,), linear between samples."""
    place = (station / SPACING).clamp(0.0, rules.samples - 1.001)
    sample = place.long().clamp(0, rules.samples - 2)
    index = road * rules.samples + sample
    return torch.lerp(pool.rows[index], pool.rows[index + 1], (place - sample)[:, None])


def _look(pool: Pool, batch: Batch, rules: Rules) -> None:
    state, road = batch.state, batch.road
    yaw = state[:, YAW]
    cos, sin = yaw.cos(), yaw.sin()
    x, y = state[:, X] + TO_REAR_AXLE * cos, state[:, Y] + TO_REAR_AXLE * sin
    station, offset, heading, _ = motion_torch.project(
        pool.rows, rules.samples, road, x, y, state[:, STATION]
    )
    state[:, STATION] = station
    distance = (LOOK_AHEAD_TIME * state[:, SPEED]).clamp(min=SHORTEST_LOOK_AHEAD)
    aim = at(pool, rules, road, station - TO_REAR_AXLE + distance)
    right, up = aim[:, ROW_X] - state[:, X], aim[:, ROW_Y] - state[:, Y]
    ahead, left = right * cos + up * sin, up * cos - right * sin
    batch.seen[:, SEEN_STATION], batch.seen[:, SEEN_OFFSET] = station, offset
    batch.seen[:, SEEN_ERROR] = yaw - heading
    batch.seen[:, SEEN_EXPERT] = 2.0 * left / (ahead.square() + left.square()).clamp(min=1.0)
    for i, far in enumerate(AHEAD):
        bend = at(pool, rules, road, station + far)[:, ROW_CURVATURE]
        batch.seen[:, SEEN_AHEAD + i] = bend


def _ended(batch: Batch, rules: Rules) -> Tensor:
    offset, error = batch.seen[:, SEEN_OFFSET], batch.seen[:, SEEN_ERROR]
    ended = torch.full_like(batch.clock, GOES_ON)
    late = batch.clock * STEP > rules.time_limit
    ended[late | (batch.seen[:, SEEN_STATION] > rules.length)] = TRUNCATED
    ended[(offset.abs() > OFF_ROAD) | (error.cos() < TURNED_AROUND)] = TERMINATED
    ended[~torch.isfinite(batch.state).all(1)] = BROKEN
    return ended


def _show(
    batch: Batch, rules: Rules, noise: Tensor, count: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers, inertial measurements and what only training knows."""
    state, means = batch.state, batch.means
    seen = batch.seen.unbind(1)
    true = torch.stack(
        [seen[SEEN_OFFSET], seen[SEEN_ERROR], *seen[SEEN_AHEAD:], means[:, 0], state[:, SPEED]], 1
    )
    kwargs = {"dtype": true.dtype, "device": true.device}
    numbers = true + rules.noise * torch.tensor(NOISE, **kwargs) * noise[:, :COUNT]
    numbers[:, COUNT - 2] += batch.bias[:, 0]
    scaled = (true - torch.tensor(CENTRES, **kwargs)) / torch.tensor(SCALES, **kwargs)
    more = [
        state[:, STEERING] / 0.2,
        state[:, WHEEL] / 0.2,
        batch.angles[:, -1] / 0.2,
        state[:, LATERAL] / 4.0,
        batch.car[:, LAG] * 10.0,
        batch.car[:, DELAY] * 0.1,
    ]
    errors = torch.tensor([GYRO_NOISE, ACCELEROMETER_NOISE], **kwargs) / count[:, None].sqrt()
    measured = means + batch.bias + errors * noise[:, COUNT : COUNT + 2]
    speed = state[:, SPEED] + SPEED_NOISE * noise[:, COUNT + 2]
    known = torch.cat([scaled, torch.stack(more, 1)], 1)
    return numbers, torch.cat([measured, speed[:, None]], 1), known


def _renew(rows: Tensor, pool: Pool, batch: Batch, rules: Rules, drawn: Drawn) -> None:
    uniform, beside = drawn.renewal[rows].double(), drawn.beside[rows]
    road, car = (uniform[:, 0] * rules.pool).long(), (uniform[:, 1] * rules.pool).long()
    batch.road[rows], batch.kind[rows] = road, car
    batch.car[rows], batch.bias[rows] = pool.cars[car], pool.biases[car]
    sample = ((rules.start + rules.room * uniform[:, 2]) / SPACING).long()
    place = pool.rows[road * rules.samples + sample]
    offset = rules.offset * beside[:, 0]
    speed, bend = place[:, ROW_PLAN], place[:, ROW_CURVATURE] * float(rules.anywhere)
    state = motion_torch.placed(
        place[:, ROW_X] - offset * place[:, ROW_SIN],
        place[:, ROW_Y] + offset * place[:, ROW_COS],
        place[:, ROW_HEADING] + rules.heading * beside[:, 1],
        speed,
    )
    state[:, STATION] = sample * SPACING
    steady = torch.atan(pool.cars[car][:, WHEELBASE] * bend)
    state[:, WHEEL] = state[:, STEERING] = steady
    state[:, YAW_RATE] = speed * bend
    batch.state[rows] = state
    batch.angles[rows], batch.asked[rows] = steady[:, None].expand(-1, batch.angles.shape[1]), bend
    batch.starts[rows], batch.clock[rows] = 0, 0
    batch.means[rows] = torch.stack([speed * bend, speed * speed * bend], 1)
    rate = rules.rate_low + (rules.rate_high - rules.rate_low) * uniform[:, 3]
    batch.times[rows] = torch.stack([1.0 / rate, torch.zeros_like(rate)], 1)
