"""How much each frame of a drive with takeovers teaches.

A person who takes over says: what the policy did just before was wrong, and what he does now is
right. Kelly et al., "HG-DAgger: interactive imitation learning with human experts", ICRA 2019.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import check, number
from liquid_control.data.episode import Episode
from liquid_control.recordings.drivers import Driver, Drivers

BY_RECORDINGS = -1.0
"""The value of `TakeoverWeights.rehearsal_weight` that follows the recordings."""
REHEARSAL = 0.25
"""It, where only the policy drove undisturbed."""


@dataclasses.dataclass(frozen=True)
class TakeoverWeights:
    """Weights of frames; that of a person's driving is 1."""

    before: float = number(
        2.0, 0.0, 60.0, "s", "the policy's frames of this time before a takeover were wrong"
    )
    before_weight: float = number(0.0, 0.0, 1.0, "", "weight of these; 0: nothing is learned")
    correction: float = number(
        8.0, 0.0, 60.0, "s", "a person's frames of this time after a takeover correct the policy"
    )
    correction_weight: float = number(2.0, 0.0, 100.0, "", "weight of these")
    rehearsal_weight: float = number(
        BY_RECORDINGS,
        -1.0,
        10.0,
        "",
        "weight of the frames that the policy drove undisturbed, of which it rehearses what it "
        "did; -1: 0 where a person drove some recordings from begin to end, which rehearse "
        "undisturbed driving better, else 0.25",
    )

    def __post_init__(self) -> None:
        check(self)

    def with_rehearsal(self, by_person: bool) -> TakeoverWeights:
        """The weights with that of rehearsal as a number >= 0. `by_person`: whether a person drove
        some recordings from begin to end."""
        if self.rehearsal_weight >= 0.0:
            return self
        return dataclasses.replace(self, rehearsal_weight=0.0 if by_person else REHEARSAL)


def frame_weights(
    stamp_ns: np.ndarray, drivers: Drivers | None, settings: TakeoverWeights
) -> np.ndarray:
    """(N,) float64 >= 0 for frames stamped `stamp_ns` (N,). Frames on which the gate braked weigh
    nothing. `drivers` None: a person drove. A takeover changes the weights from the first frame
    whose stamp is not before it. Raises ValueError for a weight that follows the recordings, see
    `TakeoverWeights.with_rehearsal`."""
    if settings.rehearsal_weight < 0.0:
        raise ValueError("a weight of rehearsal that follows the recordings is no number yet")
    if drivers is None:
        return np.ones(len(stamp_ns))
    by = drivers.at(stamp_ns)
    weight = np.choose(by, (1.0, settings.rehearsal_weight, 0.0))
    for takeover in drivers.takeovers.tolist():
        since = (np.asarray(stamp_ns, np.int64) - takeover) / 1e9
        wrong = (by == Driver.POLICY) & (-settings.before <= since) & (since < 0.0)
        weight[wrong] = settings.before_weight
        corrects = (by == Driver.PERSON) & (0.0 <= since) & (since < settings.correction)
        weight[corrects] = settings.correction_weight
    return weight


def without_worthless(episode: Episode, weight: np.ndarray) -> Episode:
    """The episode, in which frames of weight (N,) 0 have no target: their pictures lead to the
    state of the frames behind them."""
    action = np.where(weight[:, None] > 0.0, episode.action, np.float32(np.nan))
    return dataclasses.replace(episode, action=action)


def near_targets(episode: Episode, margin: int) -> tuple[Episode, np.ndarray]:
    """The frames with a target and up to `margin` before and after them, whose pictures lead to
    the state; and which frames (N,) bool these are. A sequence begins behind each gap."""
    reach = np.convolve(episode.known, np.ones(2 * margin + 1), "full")
    kept = reach[margin : margin + len(episode)] > 0.5
    if kept.all():
        return episode, kept
    columns = {name: column[kept] for name, column in episode.columns.items()}
    behind_a_gap = kept & ~np.concatenate([[False], kept[:-1]])
    columns["is_first"] = (episode.is_first | behind_a_gap)[kept]
    return dataclasses.replace(episode, **columns), kept


def only_by(episode: Episode, drivers: Drivers | None, driver: Driver) -> Episode:
    """The episode, in which only the frames that `driver` drove have a target."""
    if drivers is None:
        return episode
    chosen = drivers.at(episode.stamp_ns) == driver
    return without_worthless(episode, chosen.astype(float))


def lost_at_handovers(episode: Episode, drivers: Drivers) -> list[int]:
    """For each takeover within an episode, how many of a person's frames after it have no target
    before the first that has one."""
    found = []
    by = drivers.at(episode.stamp_ns)
    for takeover in drivers.takeovers.tolist():
        after = (episode.stamp_ns >= takeover) & (by == Driver.PERSON)
        if episode.stamp_ns[0] < takeover and after.any():
            known = episode.known[after]
            found.append(int(np.argmax(known)) if known.any() else len(known))
    return found
