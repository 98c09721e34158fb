"""How a vehicle answers its recorded steering: how much later it turns, and how much.

The steering is a command, which servo, wheels and tyres follow. By the gyro where one is recorded,
else by the rotation of the pictures (`visual_motion`). Changes are compared, not the values: a
driver corrects slowly what the vehicle did before, which would look like a longer delay. G. Box,
G. Jenkins, "Time Series Analysis", 1970: prewhitening.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.data.estimates.camera_estimate import ESTIMATED, UNKNOWN, Estimated
from liquid_control.recordings.motion import EMPTY, Track, at
from liquid_control.stats.block_bootstrap import fit_in_blocks
from liquid_control.stats.delay import estimate_delay

LARGEST_DELAY = 1.0
"""Of the search [s]."""
LAG_SHARE = 0.3
"""Of the delay that is a lag of first order, which makes quick turns smaller; the rest is dead
time."""
TICK_NS = 10_000_000
LONGEST_GAP = 0.5  # s
CHANGE = 0.1
"""Over twice this time values change that are compared [s]."""
OUTLIERS = 0.995
"""Quantile of the changes of yaw rate beyond which none counts."""
SURE_GAIN = 0.15
"""Largest standard deviation of a gain that counts as estimated, as a share."""
NOT_SURE = "the vehicle's turning does not follow the recorded steering clearly"


@dataclasses.dataclass(frozen=True)
class ResponseEstimate:
    """`delay` from a command until the vehicle turns [s]; `gain`: driven curvature per commanded
    one, which is in proportion to one over an assumed speed; `correlation` of the two; `by`: gyro
    or pictures; `remarks`: what cannot be told and why."""

    delay: Estimated
    gain: Estimated
    correlation: float
    by: str
    remarks: tuple[str, ...] = ()


def estimate_response(
    command: Track, yaw_rate: Track, speed: Track, by: str, usual_delay: float
) -> ResponseEstimate:
    """`command`: curvature that the recorded steering asks for [1/m], yaw rate [rad/s] without
    bias, speed [m/s]: tidy tracks. What is not told is `usual_delay` [s] and a gain of 1, with
    infinite spreads."""
    unknown = (Estimated(usual_delay, np.inf, UNKNOWN), Estimated(1.0, np.inf, UNKNOWN))
    wanted = _times_speed(command, speed)
    turning = _changes(yaw_rate)
    asking = _changes(wanted)
    found = estimate_delay(
        asking.stamp_ns, asking.value, turning.stamp_ns, turning.value, LARGEST_DELAY
    )
    if found is None:
        return ResponseEstimate(*unknown, 0.0, by, ("the steering or the turning never changes",))
    if not found.sure or found.correlation <= 0.0 or found.seconds < 0.0:
        opposite = found.sure and found.correlation < 0.0
        why = "the vehicle turns to the other side than its steering says" if opposite else NOT_SURE
        return ResponseEstimate(*unknown, found.correlation, by, (why,))
    delay = Estimated(found.seconds, found.uncertainty, ESTIMATED)
    answered = _changes(_answered(wanted, found.seconds))
    asked = at(turning.stamp_ns, answered, LONGEST_GAP)
    value, limit = turning.value, np.quantile(np.abs(turning.value), OUTLIERS)
    kept = np.isfinite(asked) & (np.abs(value) <= limit)
    fit = fit_in_blocks(turning.stamp_ns[kept] * 1e-9, asked[kept, None], value[kept])
    gain, doubt = float(fit.coefficients[0]), float(fit.errors[0])
    if not 0.0 < doubt < SURE_GAIN * gain:
        return ResponseEstimate(delay, unknown[1], found.correlation, by, (NOT_SURE,))
    return ResponseEstimate(delay, Estimated(gain, doubt, ESTIMATED), found.correlation, by)


def _times_speed(command: Track, speed: Track) -> Track:
    """The yaw rate [rad/s] that the command asks for; without what is not known."""
    value = command.value * at(command.stamp_ns, speed, LONGEST_GAP)
    known = np.isfinite(value)
    return Track(command.stamp_ns[known], value[known])


def _changes(track: Track) -> Track:
    """Of the values over `CHANGE` before and behind, on an even grid."""
    if len(track) < 2:
        return EMPTY
    stamp_ns = np.arange(track.stamp_ns[0], track.stamp_ns[-1], TICK_NS)
    value, reach = at(stamp_ns, track, LONGEST_GAP), round(CHANGE * 1e9 / TICK_NS)
    change = value[2 * reach :] - value[: -2 * reach]
    known = np.isfinite(change)
    return Track(stamp_ns[reach : len(stamp_ns) - reach][known], change[known])


def _answered(wanted: Track, delay: float) -> Track:
    """What a vehicle does that answers with dead time and lag, on an even grid."""
    lag_ns = LAG_SHARE * delay * 1e9
    stamp_ns = np.arange(wanted.stamp_ns[0], wanted.stamp_ns[-1], TICK_NS)
    held = at(stamp_ns, wanted, LONGEST_GAP)
    share, state, answer = 1.0 - np.exp(-TICK_NS / max(lag_ns, 1.0)), 0.0, np.empty(len(held))
    for index, value in enumerate(held):
        state = value if not np.isfinite(state) else state + (value - state) * share
        answer[index] = state
    known = np.isfinite(answer)
    later = stamp_ns[known] + round((1.0 - LAG_SHARE) * delay * 1e9)
    return Track(later, answer[known])
