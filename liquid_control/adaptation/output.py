"""A correction of the output that is learnt from what a person steers after taking over.

Correction = clip(w . phi, ± largest). w by recursive least squares with ridge to zero; with every
label some undisturbed frames are rehearsed, whose correction is zero. A frame is undisturbed when
the policy drives and no takeover follows soon.

A correction is of use where it acts before a person has to. Whether it is used is therefore decided
on frames that the policy drove and that are never learnt: on those just before a takeover it should
be what the person steered first, predicted with the weights of before the takeover; on undisturbed
frames, before these are rehearsed, it should be zero. In that decision the first weigh `SHARE`
together. A person who takes over without need is not followed: nothing before the takeover shows
it, and what acts there acts on undisturbed frames, too.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from liquid_control.adaptation.trust import Trust, checked
from liquid_control.errors import ConfigError

RIDGE = 30.0
"""Of the weights to zero, in labels with features of size 1."""
FLOOR = 1e-3
"""The covariance of a weight is at least this share of the largest."""
REACH = 4.0
"""Features are limited to this size."""
SHARE = 0.1
"""Of all frames before takeovers in the decision."""
SCORED, FEWEST_SCORED, FEWEST_TAKEOVERS = 300.0, 80.0, 4
UNDISTURBED, FEWEST_UNDISTURBED = 6000.0, 1000.0
"""Windows of the decision and what it needs, in frames."""
SHOWN, FIRST = 1.0, 0.5
"""Frames within the first time before a takeover are compared with the mean of what is steered
within the second after it [s]."""
CORRECTS = 5.0
"""What a person steers within this time after taking over is a label [s]."""
BEFORE = 3.0
"""Frames within this time before a takeover are not undisturbed [s]."""
REHEARSED, BUFFER, EVERY = 3, 128, 8
"""Undisturbed frames for each label; those that are kept, and every how many."""
LARGEST_FEATURES = 256


class _Undisturbed(NamedTuple):
    at: float
    features: np.ndarray
    correction: float


class OutputCorrection:
    """`used`: whether the correction is to be added. `largest` [1/m]; `features`: how many. Raises
    ConfigError for more than `LARGEST_FEATURES`."""

    def __init__(self, features: int, largest: float, better: float = 0.1) -> None:
        if not 0 < features <= LARGEST_FEATURES:
            raise ConfigError(
                "adaptation.adapts",
                f"output, of a policy with {features} features",
                f"a policy with at most {LARGEST_FEATURES} numbers of state and measurements, "
                "or the mode gain",
            )
        self.features, self.largest = features, largest
        self._better = better
        self._trust = Trust(better, SCORED, FEWEST_SCORED)
        self._calm = Trust(better, UNDISTURBED, FEWEST_UNDISTURBED)
        self._rows = np.zeros((BUFFER, features))
        self._waiting: deque[_Undisturbed] = deque(maxlen=1024)
        self.reset()

    def reset(self) -> None:
        """Forgets all that was learnt."""
        self._weights = np.zeros(self.features)
        self._frozen = self._weights
        self._set_covariance(np.eye(self.features) / RIDGE)
        self._rows[:] = 0.0
        self._row_count = self._turn = self._since_kept = 0
        self.takeovers = self.labels = 0
        self._taken_over_at: float | None = None
        self._before: list[np.ndarray] = []
        self._first: list[float] = []
        self._trust.reset()
        self._calm.reset()
        self._waiting.clear()

    @property
    def used(self) -> bool:
        """Whether the correction is in use."""
        return self._trust.used

    @property
    def covariance(self) -> np.ndarray:
        """Of the weights (F, F), in units of the noise of a label."""
        return self._covariance

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the covariance of one weight."""
        return FLOOR / RIDGE, 1.0 / RIDGE

    @property
    def why(self) -> str:
        """Why the correction is in use, or is not."""
        if self.used:
            return f"in use: its error is {self._ratio:.2f} of that without it"
        if self.takeovers < FEWEST_TAKEOVERS or self._trust.weight < FEWEST_SCORED:
            return f"too little yet: {self.takeovers} takeovers, {self.labels} labels"
        if self._calm.weight < FEWEST_UNDISTURBED:
            return "too few undisturbed frames yet"
        return f"no better: its error is {self._ratio:.2f} of that without it"

    def correction(self, phi: np.ndarray) -> float:
        """Of features (F,) [1/m], within ± `largest`, in use or not."""
        return self._clipped(float(self._weights @ phi))

    def undisturbed(self, at: float, phi: np.ndarray) -> None:
        """A frame at `at` [s] on which the policy drives, with features (F,)."""
        self._hand_back()
        self._waiting.append(_Undisturbed(at, phi, self.correction(phi)))
        for _ in range(2):
            if at - self._waiting[0].at < BEFORE:
                return
            self._admit(self._waiting.popleft())
            if not self._waiting:
                return

    def interrupt(self) -> None:
        """The drive begins anew: what waits is dropped, a takeover is over."""
        self._waiting.clear()
        self._hand_back()

    def take_over(self, at: float) -> None:
        """A person begins to steer at `at` [s]."""
        self._hand_back()
        self._before = [one.features for one in self._waiting if at - one.at <= SHOWN]
        self._waiting.clear()
        self._taken_over_at = at
        self._frozen = self._weights
        self.takeovers += 1

    def label(self, at: float, phi: np.ndarray, wanted: float) -> None:
        """What a person has steered on a frame with features (F,), minus what the policy would have
        steered without a correction [1/m]."""
        began = self._taken_over_at
        if began is None or not 0.0 <= at - began <= CORRECTS or not math.isfinite(wanted):
            return
        wanted = self._clipped(wanted)
        if at - began <= FIRST:
            self._first.append(wanted)
        elif self._first:
            self._score()
        self._learn(phi, wanted)
        for _ in range(min(REHEARSED, self._row_count)):
            self._turn = (self._turn + 1) % self._row_count
            self._learn(self._rows[self._turn], 0.0)
        self.labels += 1

    def state(self) -> dict[str, object]:
        """What `restore` takes."""
        return {
            "largest": self.largest,
            "weights": self._weights.tolist(),
            "covariance": self._covariance.tolist(),
            "rows": np.round(self._rows[: self._row_count], 6).tolist(),
            "takeovers": self.takeovers,
            "labels": self.labels,
            "trust": self._trust.state(),
            "calm": self._calm.state(),
        }

    def restore(self, values: Mapping) -> None:
        """Goes on from an earlier `state`. Raises ConfigError, and is then as after `reset`."""
        self.reset()
        count = self.features
        checked(values, "largest", self.largest, self.largest)
        weights = _array(values, "weights", (count,), 1e6)
        covariance = _array(values, "covariance", (count, count), 1.0 / RIDGE)
        rows = _array(values, "rows", (None, count), REACH)
        takeovers, labels = (
            int(checked(values, name, 0, 2**53)) for name in ("takeovers", "labels")
        )
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance)[0] < 0:
            raise ConfigError("covariance", "another matrix", "a symmetric, positive one")
        trust = Trust(self._better, SCORED, FEWEST_SCORED)
        calm = Trust(self._better, UNDISTURBED, FEWEST_UNDISTURBED)
        for name, one in (("trust", trust), ("calm", calm)):
            one.restore(values.get(name) if isinstance(values.get(name), Mapping) else {})
        self._weights, self._trust, self._calm = weights, trust, calm
        self._set_covariance(covariance)
        self._frozen = weights
        self._row_count = min(len(rows), BUFFER)
        self._rows[: self._row_count] = rows[: self._row_count]
        self.takeovers, self.labels = takeovers, labels

    @property
    def _added(self) -> float:
        """Error on undisturbed frames, in their weight relative to those before takeovers."""
        calm = self._calm.adapted
        return 0.0 if math.isnan(calm) else calm * (1.0 - SHARE) / SHARE

    @property
    def _ratio(self) -> float:
        return self._trust.ratio(self._added)

    def _clipped(self, value: float) -> float:
        return min(max(value, -self.largest), self.largest)

    def _decide(self) -> None:
        enough = self.takeovers >= FEWEST_TAKEOVERS and self._calm.weight >= FEWEST_UNDISTURBED
        self._trust.decide(self._added, enough)

    def _hand_back(self) -> None:
        """The takeover, if there is one, is over."""
        self._taken_over_at = None
        if self._first:
            self._score()

    def _score(self) -> None:
        """Compares the frames before a takeover with what was steered first after it."""
        wanted = sum(self._first) / len(self._first)
        for phi in self._before:
            missed = wanted - self._clipped(float(self._frozen @ phi))
            self._trust.push(wanted * wanted, missed * missed)
        self._first, self._before = [], []
        self._decide()

    def _admit(self, frame: _Undisturbed) -> None:
        """An undisturbed frame: it is scored with the correction that it had, and some are kept."""
        self._calm.push(0.0, frame.correction * frame.correction)
        if self.used:
            self._decide()
        self._since_kept += 1
        if self._since_kept >= EVERY:
            self._since_kept = 0
            place = self._row_count if self._row_count < BUFFER else self._turn
            self._rows[place] = frame.features
            self._row_count = min(self._row_count + 1, BUFFER)
            self._turn = (self._turn + 1) % BUFFER

    def _learn(self, phi: np.ndarray, wanted: float) -> None:
        """One step of recursive least squares. The covariance of a weight stays between `FLOOR` of
        the largest and 1 / RIDGE."""
        spread = self._covariance @ phi
        uncertain = float(phi @ spread)
        missed = wanted - float(self._weights @ phi)
        if not (math.isfinite(missed) and 0.0 <= uncertain < math.inf):
            self.reset()
            return
        scale = 1.0 / (1.0 + uncertain)
        self._weights = self._weights + (scale * missed) * spread
        spread *= math.sqrt(scale)
        self._covariance -= np.multiply.outer(spread, spread)
        np.maximum(self._diagonal, FLOOR / RIDGE, out=self._diagonal)

    def _set_covariance(self, covariance: np.ndarray) -> None:
        """`_diagonal` is a view of it."""
        self._covariance = covariance
        self._diagonal = np.einsum("ii->i", covariance)


def _array(values: Mapping, name: str, shape: tuple[int | None, ...], largest: float) -> np.ndarray:
    """A finite array of a mapping of JSON. Raises ConfigError."""
    sizes = "x".join("any" if size is None else str(size) for size in shape)
    error = ConfigError(name, "another value", f"{sizes} numbers within ±{largest:g}")
    try:
        found = np.array(values.get(name), np.float64)
    except (TypeError, ValueError, OverflowError):
        raise error from None
    if found.size == 0 and shape[0] is None:
        return np.zeros((0, *shape[1:]))
    fits = found.ndim == len(shape) and all(
        wanted in (None, size) for size, wanted in zip(found.shape, shape, strict=True)
    )
    if not fits or not (np.abs(found) <= largest * (1 + 1e-9)).all():
        raise error
    return found
