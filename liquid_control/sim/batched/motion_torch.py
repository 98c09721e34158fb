"""`motion` in PyTorch: on any device, and with gradients of where the car goes by the angles that
are asked for.

Each line is one of `motion.move`, `motion.project` or `motion.advance`; a world that has taken all
its steps stays as it is while others go on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from liquid_control.sim.batched.motion import (
    BANK,
    DRAG,
    FRICTION,
    GRAVITY,
    LAG,
    LATERAL,
    LEAST_SPEED,
    PITCH,
    PITCH_AT_REST,
    PITCH_BY_ACCELERATION,
    PITCH_DAMPING,
    PITCH_FREQUENCY,
    ROLL_BY_ACCELERATION,
    ROLL_DAMPING,
    ROLL_FREQUENCY,
    ROLL_HEIGHT,
    ROLLING_MASS,
    ROW_COS,
    ROW_CURVATURE,
    ROW_HEADING,
    ROW_PLAN,
    ROW_SIN,
    ROW_X,
    ROW_Y,
    SENSOR_AHEAD,
    SPACING,
    SPEED,
    STATE,
    STATION,
    STEP,
    STEPS_PER_ADVANCE,
    TYRE_LAG,
    TYRE_SLIP,
    WHEEL_DAMPING,
    WHEEL_STIFFNESS,
    WHEELBASE,
    YAW,
    YAW_RATE,
    X,
    Y,
)
from liquid_control.sim.bodies.car_parameters import (
    MASS,
    MAX_ACCELERATION,
    MAX_BRAKING,
    SPEED_GAIN,
    STEERING_RATE,
    TO_REAR_AXLE,
)

Columns = list[Tensor]
"""The state by columns, each (B,)."""


def placed(x: Tensor, y: Tensor, yaw: Tensor, speed: Tensor) -> Tensor:
    """States (B, STATE) of cars with their centre at a pose (B,), moving straight ahead, at rest in
    their springs."""
    state = torch.zeros(len(x), STATE, dtype=x.dtype, device=x.device)
    state[:, X], state[:, Y] = x - TO_REAR_AXLE * yaw.cos(), y - TO_REAR_AXLE * yaw.sin()
    state[:, YAW], state[:, SPEED], state[:, PITCH] = yaw, speed, PITCH_AT_REST
    return state


def move(state: Columns, car: Columns, wanted: Tensor, limit: Tensor) -> Columns:
    """One step, see `motion.move`."""
    (x, y, yaw, speed, steering, wheel, wheel_rate, before, slipped, roll, roll_rate) = state[:11]
    pitch, pitch_rate, station, _ = state[11:]
    turn = (wanted - steering) * (STEP / car[LAG]).clamp(max=1.0)
    steering = steering + turn.clamp(-STEERING_RATE * STEP, STEERING_RATE * STEP)
    force = STEP * WHEEL_STIFFNESS * (steering - wheel)
    wheel_rate = (wheel_rate + force) / (1.0 + STEP * WHEEL_DAMPING)
    asked = (SPEED_GAIN * (limit - speed)).clamp(-MAX_BRAKING, MAX_ACCELERATION)
    acceleration = (MASS * asked - DRAG * speed) / ROLLING_MASS
    speed = speed + STEP * acceleration
    aside, grip = GRAVITY * torch.sin(car[BANK]), car[FRICTION] * GRAVITY
    slowest = speed.abs().clamp(min=LEAST_SPEED)
    wanted_rate = speed * torch.tan(wheel) / car[WHEELBASE]
    lowest, highest = (-grip - aside) / slowest, (grip - aside) / slowest
    wanted_rate = torch.minimum(torch.maximum(wanted_rate, lowest), highest)
    yaw_rate = before + (wanted_rate - before) * (STEP / (TYRE_LAG + STEP))
    lateral = speed * yaw_rate + SENSOR_AHEAD * (yaw_rate - before) / STEP + aside
    spring = ROLL_FREQUENCY**2 * (ROLL_BY_ACCELERATION * lateral - roll)
    damping = 1.0 + 2.0 * STEP * ROLL_DAMPING * ROLL_FREQUENCY
    roll_rate = (roll_rate + STEP * spring) / damping
    rest = PITCH_AT_REST + PITCH_BY_ACCELERATION * acceleration
    damping = 1.0 + 2.0 * STEP * PITCH_DAMPING * PITCH_FREQUENCY
    pitch_rate = (pitch_rate + STEP * PITCH_FREQUENCY**2 * (rest - pitch)) / damping
    slip = -ROLL_HEIGHT * roll_rate - TYRE_SLIP * lateral
    cos, sin = yaw.cos(), yaw.sin()
    x, y = x + STEP * (speed * cos - slip * sin), y + STEP * (speed * sin + slip * cos)
    roll = roll + STEP * roll_rate
    lateral = lateral + (slip - slipped) / STEP + GRAVITY * roll.sin()
    return [
        x,
        y,
        yaw + STEP * yaw_rate,
        speed,
        steering,
        wheel + STEP * wheel_rate,
        wheel_rate,
        yaw_rate,
        slip,
        roll,
        roll_rate,
        pitch + STEP * pitch_rate,
        pitch_rate,
        station,
        lateral,
    ]


def project(
    table: Tensor, samples: int, road: Tensor, x: Tensor, y: Tensor, near: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Station, offset to the left, heading and curvature of the roads `road` (B,) of a table
    (R * samples, ROW) under points (B,); see `motion.project`."""
    station = near
    for _ in range(2):
        sample = (station.detach() / SPACING + 0.5).long().clamp(0, samples - 1)
        row = table[road * samples + sample].unbind(-1)
        right, up = x - row[ROW_X], y - row[ROW_Y]
        along = right * row[ROW_COS] + up * row[ROW_SIN]
        left = up * row[ROW_COS] - right * row[ROW_SIN]
        along = along / (1.0 - row[ROW_CURVATURE] * left).clamp(min=0.3)
        station = sample * SPACING + along
    bend = row[ROW_CURVATURE]
    station = station.clamp(0.0, (samples - 1) * SPACING)
    return station, left - 0.5 * bend * along * along, row[ROW_HEADING] + bend * along, bend


def advance(
    state: Tensor,
    car: Tensor,
    table: Tensor,
    samples: int,
    road: Tensor,
    clock: Tensor,
    steps: Tensor,
    starts: Tensor,
    angles: Tensor,
) -> tuple[Tensor, Tensor]:
    """The states (B, STATE) and means (B, 2) after each world's number of steps; nothing is changed
    in place. See `motion.advance`."""
    columns, cars = list(state.unbind(-1)), list(car.unbind(-1))
    limit = torch.zeros_like(columns[X])
    sums = [torch.zeros_like(limit), torch.zeros_like(limit)]
    for step in range(int(steps.max())):
        now, going = clock + step, step < steps
        begins = going & ((now % STEPS_PER_ADVANCE == 0) | (step == 0))
        centre = (
            columns[X] + TO_REAR_AXLE * columns[YAW].cos(),
            columns[Y] + TO_REAR_AXLE * columns[YAW].sin(),
        )
        station, *_ = project(table, samples, road, *centre, columns[STATION])
        columns[STATION] = torch.where(begins, station, columns[STATION])
        sample = (columns[STATION].detach() / SPACING).long().clamp(0, samples - 1)
        limit = torch.where(begins, table[road * samples + sample, ROW_PLAN], limit)
        wanted = torch.zeros_like(limit)
        for start, angle in zip(starts.unbind(-1), angles.unbind(-1), strict=True):
            wanted = torch.where(start <= now, angle, wanted)
        moved = move(columns, cars, wanted, limit)
        columns = [torch.where(going, new, old) for new, old in zip(moved, columns, strict=True)]
        for total, column in ((0, YAW_RATE), (1, LATERAL)):
            sums[total] = sums[total] + torch.where(going, columns[column], 0.0)
    count = steps.clamp(min=1).to(state.dtype)
    return torch.stack(columns, -1), torch.stack([total / count for total in sums], -1)
