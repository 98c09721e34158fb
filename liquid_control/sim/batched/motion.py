"""The twin's car: MuJoCo's car on level ground in a few numbers, and its place on its road.

A kinematic bicycle behind steering delay, lag, rate limit and the second order of the wheels'
actuators, with what the MuJoCo car adds to it: tyres that give way a little, the limit of friction,
speed control against the drag of the axles, roll in bends and pitch under acceleration. It advances
by MuJoCo's step and in its order, so that a command takes effect at the same step. The constants
were identified from `sim.bodies.car`; `doc/twin.md` has the differences.

`advance` is for CPUs. `motion_torch` says the same in PyTorch, for any device and with gradients.
numba compiles the constants of other modules in, and its cache is invalidated by this file alone:
edit it too when they change.
"""

from __future__ import annotations

import math

from liquid_control.policy.kernels.cpu.jit import jit
from liquid_control.sim.bodies.car_parameters import (
    MASS,
    MAX_ACCELERATION,
    MAX_BRAKING,
    SPEED_GAIN,
    STEERING_RATE,
    TO_REAR_AXLE,
)

STEP = 0.005
"""Period of the physics [s]: `sim.bodies.body.TIMESTEP`."""
STEPS_PER_ADVANCE = 2
"""A command begins with a whole period of the inertial sensor, and the speed plan is read then."""

(
    X,
    Y,
    YAW,
    SPEED,
    STEERING,
    WHEEL,
    WHEEL_RATE,
    YAW_RATE,
    SLIP,
    ROLL,
    ROLL_RATE,
    PITCH,
    PITCH_RATE,
    STATION,
    LATERAL,
) = range(15)
"""Columns of the state: rear axle [m], yaw [rad], speed [m/s]; angle of the steering motor and of
the front wheels [rad], [rad/s]; yaw rate [rad/s]; speed of the rear axle to the left [m/s]; roll to
the right and pitch down [rad], [rad/s]; station on the road [m]; specific force to the left at the
sensor [m/s²]."""
STATE = 15
DELAY, LAG, WHEELBASE, FRICTION, BANK = range(5)
"""Columns of a car: delay of the steering in steps, its lag [s], wheelbase [m], friction of the
tyres, angle by which its road falls to the right [rad]."""
CAR = 5
ROW_X, ROW_Y, ROW_COS, ROW_SIN, ROW_HEADING, ROW_CURVATURE, ROW_PLAN = range(7)
"""Columns of a sample of a road; see `roads`."""
ROW = 8

SPACING = 0.5
"""Of the samples of a road [m]: `sim.road.SPACING`."""
GRAVITY = 9.81
WHEEL_STIFFNESS, WHEEL_DAMPING = 2406.0, 108.3
"""Of the wheels' actuators, by their inertia [1/s²], [1/s]: 6000, 250 + 20 and 2 + 0.494 of
assets/vehicle.xml."""
TYRE_LAG = 0.0118
"""The yaw rate follows the wheels so late [s]."""
TYRE_SLIP = 0.0094
"""Speed of the rear axle to the outside by lateral acceleration [s]."""
ROLL_HEIGHT = 0.23
"""The rear axle moves to the side with the roll rate [m]."""
ROLL_BY_ACCELERATION, ROLL_FREQUENCY, ROLL_DAMPING = 0.008, 10.4, 0.505
PITCH_BY_ACCELERATION, PITCH_FREQUENCY, PITCH_DAMPING = -0.0027, 12.2, 0.498
"""[rad s²/m], [rad/s] and as a share of the critical damping."""
PITCH_AT_REST = -0.0026
SENSOR_AHEAD = 1.25
"""The inertial sensor stands so far ahead of the rear axle [m]."""
ROLLING_MASS, DRAG = 1273.0, 19.5
"""The car's mass with that of its turning wheels [kg]; damping of the axles [kg/s]."""
LEAST_SPEED = 0.1
"""Yaw rates are limited by friction as at this speed [m/s] below it."""


@jit
def placed(state, x, y, yaw, speed):
    """Puts a state (STATE,) with its centre at a pose, moving straight ahead, at rest in its
    springs."""
    state[:] = 0.0
    state[X] = x - TO_REAR_AXLE * math.cos(yaw)
    state[Y] = y - TO_REAR_AXLE * math.sin(yaw)
    state[YAW], state[SPEED], state[PITCH] = yaw, speed, PITCH_AT_REST


@jit
def move(state, row, car, wanted, limit):
    """One step of row `row` of `state` (B, STATE) with `car` (B, CAR): the steering motor is asked
    for the front-wheel angle `wanted` [rad], the speed control for `limit` [m/s]."""
    speed, wheel, roll = state[row, SPEED], state[row, WHEEL], state[row, ROLL]
    turn = (wanted - state[row, STEERING]) * min(1.0, STEP / car[row, LAG])
    largest = STEERING_RATE * STEP
    state[row, STEERING] += min(max(turn, -largest), largest)
    force = STEP * WHEEL_STIFFNESS * (state[row, STEERING] - wheel)
    wheel_rate = (state[row, WHEEL_RATE] + force) / (1.0 + STEP * WHEEL_DAMPING)
    asked = min(max(SPEED_GAIN * (limit - speed), -MAX_BRAKING), MAX_ACCELERATION)
    acceleration = (MASS * asked - DRAG * speed) / ROLLING_MASS
    speed += STEP * acceleration
    aside = GRAVITY * math.sin(car[row, BANK])
    grip = car[row, FRICTION] * GRAVITY
    slowest = max(abs(speed), LEAST_SPEED)
    wanted_rate = speed * math.tan(wheel) / car[row, WHEELBASE]
    wanted_rate = min(max(wanted_rate, (-grip - aside) / slowest), (grip - aside) / slowest)
    before = state[row, YAW_RATE]
    yaw_rate = before + (wanted_rate - before) * (STEP / (TYRE_LAG + STEP))
    swing = SENSOR_AHEAD * (yaw_rate - before) / STEP
    lateral = speed * yaw_rate + swing + aside
    spring = ROLL_FREQUENCY * ROLL_FREQUENCY * (ROLL_BY_ACCELERATION * lateral - roll)
    roll_rate = (state[row, ROLL_RATE] + STEP * spring) / (
        1.0 + 2.0 * STEP * ROLL_DAMPING * ROLL_FREQUENCY
    )
    rest = PITCH_AT_REST + PITCH_BY_ACCELERATION * acceleration
    spring = PITCH_FREQUENCY * PITCH_FREQUENCY * (rest - state[row, PITCH])
    pitch_rate = (state[row, PITCH_RATE] + STEP * spring) / (
        1.0 + 2.0 * STEP * PITCH_DAMPING * PITCH_FREQUENCY
    )
    slip = -ROLL_HEIGHT * roll_rate - TYRE_SLIP * lateral
    yaw = state[row, YAW]
    cos, sin = math.cos(yaw), math.sin(yaw)
    state[row, X] += STEP * (speed * cos - slip * sin)
    state[row, Y] += STEP * (speed * sin + slip * cos)
    state[row, YAW] = yaw + STEP * yaw_rate
    state[row, SPEED], state[row, YAW_RATE] = speed, yaw_rate
    state[row, WHEEL], state[row, WHEEL_RATE] = wheel + STEP * wheel_rate, wheel_rate
    state[row, ROLL], state[row, ROLL_RATE] = roll + STEP * roll_rate, roll_rate
    state[row, PITCH], state[row, PITCH_RATE] = state[row, PITCH] + STEP * pitch_rate, pitch_rate
    state[row, LATERAL] = (
        lateral + (slip - state[row, SLIP]) / STEP + GRAVITY * math.sin(roll + STEP * roll_rate)
    )
    state[row, SLIP] = slip


@jit
def project(table, first, last, x, y, near):
    """Station, offset to the left [m], heading and curvature of the road under a point [m], from
    its samples `first` to `last` of `table` (.., ROW), and near the station `near`."""
    station = near
    for _ in range(2):
        sample = min(max(int(station / SPACING + 0.5), 0), last - first)
        k = first + sample
        right, up = x - table[k, ROW_X], y - table[k, ROW_Y]
        along = right * table[k, ROW_COS] + up * table[k, ROW_SIN]
        left = up * table[k, ROW_COS] - right * table[k, ROW_SIN]
        along /= max(1.0 - table[k, ROW_CURVATURE] * left, 0.3)
        station = sample * SPACING + along
    bend = table[k, ROW_CURVATURE]
    station = min(max(station, 0.0), (last - first) * SPACING)
    return station, left - 0.5 * bend * along * along, table[k, ROW_HEADING] + bend * along, bend


@jit
def advance(row, state, car, table, samples, road, clock, steps, starts, angles, means):
    """Advances row `row` of `state` (B, STATE) with `car` (B, CAR) by a number of steps, on road
    `road` of `table` (R * samples, ROW), from step `clock` of its episode.

    `starts` (B, K) int64, ascending, and `angles` (B, K): from which step on which angle of the
    front wheels [rad] is asked for. `means` (B, 2) gets yaw rate [rad/s] and specific force to the
    left [m/s²] over the steps.
    """
    begin = road * samples
    yaw_rate = lateral = limit = 0.0
    for now in range(clock, clock + steps):
        if now == clock or now % STEPS_PER_ADVANCE == 0:
            cos, sin = math.cos(state[row, YAW]), math.sin(state[row, YAW])
            state[row, STATION], _, _, _ = project(
                table,
                begin,
                begin + samples - 1,
                state[row, X] + TO_REAR_AXLE * cos,
                state[row, Y] + TO_REAR_AXLE * sin,
                state[row, STATION],
            )
            sample = min(max(int(state[row, STATION] / SPACING), 0), samples - 1)
            limit = table[begin + sample, ROW_PLAN]
        wanted = 0.0
        for command in range(starts.shape[1]):
            if starts[row, command] <= now:
                wanted = angles[row, command]
        move(state, row, car, wanted, limit)
        yaw_rate += state[row, YAW_RATE]
        lateral += state[row, LATERAL]
    means[row, 0], means[row, 1] = yaw_rate / steps, lateral / steps
