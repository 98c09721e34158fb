"""One step of a batch of twin worlds as a numba kernel: until the next frame, and where a world has
ended, to the first frame of its next episode. `lane_torch` says the same in PyTorch."""

from __future__ import annotations

import math

from liquid_control.policy.kernels.cpu.jit import jit
from liquid_control.sim.batched.batch import (
    BROKEN,
    EXPOSED,
    GOES_ON,
    INERTIAL,
    PERIOD,
    SEEN_AHEAD,
    SEEN_ERROR,
    SEEN_EXPERT,
    SEEN_OFFSET,
    SEEN_STATION,
    TERMINATED,
    TRUNCATED,
)
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
    advance,
    placed,
    project,
)
from liquid_control.sim.batched.numbers import AHEAD, NOISE, NUMBERS
from liquid_control.sim.bodies.car_parameters import TO_REAR_AXLE
from liquid_control.sim.sensors import ACCELEROMETER_NOISE, GYRO_NOISE, SPEED_NOISE
from liquid_control.sim.tasks.lane_keeping import (
    DEPARTURE,
    LANE_KEEPING,
    LOOK_AHEAD_TIME,
    OFF_ROAD,
    SHORTEST_LOOK_AHEAD,
    TURNED_AROUND,
)

LARGEST = float(LANE_KEEPING.action_limit[0])
CENTRES = tuple(feature.centre for feature in NUMBERS)
SCALES = tuple(feature.scale for feature in NUMBERS)
COUNT = len(NUMBERS)


@jit
def step(first, last, pool, batch, rules, drawn, action, shown):
    """Worlds `first` to `last` hold their row of `action` (B, 1) until their next frame. See
    `batch` for the arguments; `batch` is changed and `shown` is written."""
    for row in range(first, last):
        curvature = action[row, 0]
        if math.isnan(curvature):
            curvature = 0.0
        curvature = min(max(curvature, -LARGEST), LARGEST)
        _command(row, batch, rules, curvature)
        steps, passed = _expose(row, batch, rules, drawn)
        before = batch.state[row, STATION]
        _advance(row, pool, batch, rules, steps)
        _look(row, pool, batch, rules)
        shown.dt[row] = passed
        shown.ended[row] = _ended(row, batch, rules)
        gained = batch.seen[row, SEEN_STATION] - before
        gained *= max(1.0 - abs(batch.seen[row, SEEN_OFFSET]) / DEPARTURE, 0.0)
        change = (curvature - batch.asked[row]) / 0.04
        broken = shown.ended[row] == BROKEN
        shown.reward[row] = 0.0 if broken else gained - rules.roughness * change * change
        batch.asked[row] = curvature
        count = max(steps // STEPS_PER_ADVANCE, 1)
        if shown.ended[row] == GOES_ON:
            numbers, inertial, known = shown.numbers, shown.inertial, shown.known
            _show(row, batch, rules, drawn.noise[0], count, numbers, inertial, known)
            continue
        numbers, inertial, known = shown.last_numbers, shown.last_inertial, shown.last_known
        _show(row, batch, rules, drawn.noise[0], count, numbers, inertial, known)
        shown.last_state[row] = batch.state[row]
        begin(row, row + 1, pool, batch, rules, drawn, shown)


@jit
def begin(first, last, pool, batch, rules, drawn, shown):
    """Worlds `first` to `last` begin an episode and show its first frame; `dt`, `reward` and
    `ended` are left."""
    for row in range(first, last):
        _renew(row, pool, batch, rules, drawn)
        _look(row, pool, batch, rules)
        numbers, inertial, known = shown.numbers, shown.inertial, shown.known
        _show(row, batch, rules, drawn.noise[1], 1, numbers, inertial, known)


@jit
def _command(row, batch, rules, curvature):
    """The angle begins with the advance after the frame's arrival, and behind the delay."""
    angle = math.atan(rules.wheelbase * curvature)
    angle = min(max(angle, -rules.largest_angle), rules.largest_angle) + rules.steering_offset
    arrival = int(math.ceil((batch.times[row, EXPOSED] + rules.latency) / STEP))
    start = max(arrival, batch.clock[row])
    start = -(-start // STEPS_PER_ADVANCE) * STEPS_PER_ADVANCE
    latest = batch.starts.shape[1] - 1
    for command in range(latest):
        batch.starts[row, command] = batch.starts[row, command + 1]
        batch.angles[row, command] = batch.angles[row, command + 1]
    batch.starts[row, latest] = start + int(batch.car[row, DELAY])
    batch.angles[row, latest] = angle


@jit
def _expose(row, batch, rules, drawn):
    """Steps until the next frame that is not dropped, and seconds between the exposures."""
    passed, draws = 0.0, drawn.exposure.shape[2]
    for draw in range(draws):
        jitter = rules.jitter * (2.0 * drawn.exposure[0, row, draw] - 1.0)
        passed += batch.times[row, PERIOD] * (1.0 + jitter)
        if drawn.exposure[1, row, draw] >= rules.drop_share:
            break
    batch.times[row, EXPOSED] += passed
    steps = int(math.ceil(batch.times[row, EXPOSED] / STEP)) - batch.clock[row]
    return max(steps, 1), passed


@jit
def _advance(row, pool, batch, rules, steps):
    advance(
        row,
        batch.state,
        batch.car,
        pool.rows,
        rules.samples,
        batch.road[row],
        batch.clock[row],
        steps,
        batch.starts,
        batch.angles,
        batch.means,
    )
    batch.clock[row] += steps


@jit
def _at(pool, rules, road, station, column):
    """A column of a road's samples at a station, linear between them; any row for a station that is
    not a number."""
    place = min(max(station / SPACING, 0.0), rules.samples - 1.001)
    sample = min(max(int(place), 0), rules.samples - 2)
    low = pool.rows[road * rules.samples + sample, column]
    high = pool.rows[road * rules.samples + sample + 1, column]
    return low + (place - sample) * (high - low)


@jit
def _look(row, pool, batch, rules):
    """Where the car is in its lane, and what the lane does ahead: `batch.seen`."""
    state, road = batch.state[row], batch.road[row]
    cos, sin = math.cos(state[YAW]), math.sin(state[YAW])
    begins = road * rules.samples
    x, y = state[X] + TO_REAR_AXLE * cos, state[Y] + TO_REAR_AXLE * sin
    station, offset, heading, _ = project(
        pool.rows, begins, begins + rules.samples - 1, x, y, state[STATION]
    )
    state[STATION] = station
    seen = batch.seen[row]
    seen[SEEN_STATION], seen[SEEN_OFFSET], seen[SEEN_ERROR] = (
        station,
        offset,
        state[YAW] - heading,
    )
    for i in range(len(AHEAD)):
        seen[SEEN_AHEAD + i] = _at(pool, rules, road, station + AHEAD[i], ROW_CURVATURE)
    aim = station - TO_REAR_AXLE + max(LOOK_AHEAD_TIME * state[SPEED], SHORTEST_LOOK_AHEAD)
    right = _at(pool, rules, road, aim, ROW_X) - state[X]
    up = _at(pool, rules, road, aim, ROW_Y) - state[Y]
    ahead, left = right * cos + up * sin, up * cos - right * sin
    seen[SEEN_EXPERT] = 2.0 * left / max(ahead * ahead + left * left, 1.0)


@jit
def _ended(row, batch, rules):
    for column in range(batch.state.shape[1]):
        if not math.isfinite(batch.state[row, column]):
            return BROKEN
    seen = batch.seen[row]
    if abs(seen[SEEN_OFFSET]) > OFF_ROAD or math.cos(seen[SEEN_ERROR]) < TURNED_AROUND:
        return TERMINATED
    late = batch.clock[row] * STEP > rules.time_limit
    return TRUNCATED if late or seen[SEEN_STATION] > rules.length else GOES_ON


@jit
def _show(row, batch, rules, noise, count, numbers, inertial, known):
    """The frame's numbers with the noise of its row, `count` inertial samples after the one before,
    and without noise what only training knows."""
    state, seen, means = batch.state[row], batch.seen[row], batch.means[row]
    for i in range(COUNT):
        if i < 2:
            true = seen[SEEN_OFFSET + i]
        elif i < COUNT - 2:
            true = seen[SEEN_AHEAD + i - 2]
        else:
            true = means[0] if i == COUNT - 2 else state[SPEED]
        known[row, i] = (true - CENTRES[i]) / SCALES[i]
        bias = batch.bias[row, 0] if i == COUNT - 2 else 0.0
        numbers[row, i] = true + bias + rules.noise * NOISE[i] * noise[row, i]
    known[row, COUNT] = state[STEERING] / 0.2
    known[row, COUNT + 1] = state[WHEEL] / 0.2
    known[row, COUNT + 2] = batch.angles[row, batch.angles.shape[1] - 1] / 0.2
    known[row, COUNT + 3] = state[LATERAL] / 4.0
    known[row, COUNT + 4] = batch.car[row, LAG] * 10.0
    known[row, COUNT + 5] = batch.car[row, DELAY] * 0.1
    few = 1.0 / math.sqrt(count)
    for i in range(INERTIAL - 1):
        error = (GYRO_NOISE, ACCELEROMETER_NOISE)[i] * few * noise[row, COUNT + i]
        inertial[row, i] = means[i] + batch.bias[row, i] + error
    inertial[row, 2] = state[SPEED] + SPEED_NOISE * noise[row, COUNT + 2]


@jit
def _renew(row, pool, batch, rules, drawn):
    """A new episode: a road, a place on it, a car and a camera rate."""
    uniform = drawn.renewal[row]
    road, car = int(uniform[0] * rules.pool), int(uniform[1] * rules.pool)
    batch.road[row], batch.kind[row] = road, car
    batch.car[row], batch.bias[row] = pool.cars[car], pool.biases[car]
    sample = int((rules.start + rules.room * uniform[2]) / SPACING)
    place = pool.rows[road * rules.samples + sample]
    offset = rules.offset * drawn.beside[row, 0]
    speed, bend, state = place[ROW_PLAN], place[ROW_CURVATURE], batch.state[row]
    placed(
        state,
        place[ROW_X] - offset * place[ROW_SIN],
        place[ROW_Y] + offset * place[ROW_COS],
        place[ROW_HEADING] + rules.heading * drawn.beside[row, 1],
        speed,
    )
    state[STATION] = sample * SPACING
    if not rules.anywhere:
        bend *= 0.0
    state[WHEEL] = state[STEERING] = math.atan(batch.car[row, WHEELBASE] * bend)
    state[YAW_RATE] = speed * bend
    batch.angles[row], batch.asked[row] = state[WHEEL], bend
    batch.starts[row] = 0
    batch.clock[row] = 0
    batch.means[row, 0], batch.means[row, 1] = speed * bend, speed * speed * bend
    batch.times[row, PERIOD] = 1.0 / (
        rules.rate_low + (rules.rate_high - rules.rate_low) * uniform[3]
    )
    batch.times[row, EXPOSED] = 0.0
