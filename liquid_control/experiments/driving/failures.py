"""Films the worst drive of each policy, as its network saw it. The drive is repeated, which gives
the same one, bit for bit."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.deploy.runtime import Runtime, State, Wrapped
from liquid_control.deploy.runtimes import load_runtime
from liquid_control.evaluate.closed_loop.evaluation import drive_with
from liquid_control.experiments.driving.trials import Results, Trial
from liquid_control.report.media import data_uri
from liquid_control.report.video import VideoWriter
from liquid_control.signals import Observation

BEFORE, AFTER = 6.0, 2.0
"""Seconds shown around the first time that the vehicle was put back."""

SCALE, FOOT = 8, 40
"""A picture's value is drawn as large as the video's blocks, so that noise, which cannot be
compressed, costs little."""

ENCODER = {"preset": "veryfast", "crf": "30"}
SHARPEST = 0.1
"""Curvature at either end of the bar below the picture [1/m]."""

PAPER, INK, MARK = (38, 27, 20), (245, 238, 232), (36, 191, 251)


class Filmed(Wrapped):
    """A `Runtime` around another that keeps its inputs and answers. Two starts with no step between
    them are a vehicle put back: the controller starts afresh when it is reset and again at the
    first frame, but after a long silence only at the frame.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.shown: list[tuple[int, np.ndarray, float]] = []
        self.restarts: list[int] = []
        self._starts = 0

    def initial_state(self) -> State:
        self._starts += 1
        if self.shown and self._starts == 2:
            self.restarts.append(self.shown[-1][0])
        return super().initial_state()

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        action, state = super().step(observation, state)
        self._starts = 0
        self.shown.append((observation.stamp_ns, observation.image, float(action[0])))
        return action, state


def film_failures(
    trials: Sequence[Trial], results: Results, models: Mapping[tuple[str, int], Path]
) -> list[dict]:
    """Per policy: `name`, `words` and a `source` (an MP4 as data URI) of its worst drive, empty for
    a policy that never failed. `models`: directories by name and number."""
    places: dict[str, list[tuple[Trial, int]]] = {}
    for (name, condition), columns in results.items():
        of_place = [
            trial for trial in trials if (trial.name, trial.condition.name) == (name, condition)
        ]
        places.setdefault(name, []).extend(zip(of_place, range(len(columns["road"])), strict=True))
    return [_film(name, results, of_name, models) for name, of_name in places.items()]


def _film(
    name: str,
    results: Results,
    trials: Sequence[tuple[Trial, int]],
    models: Mapping[tuple[str, int], Path],
) -> dict:
    """`trials`: each with its row in the results."""
    severity = ("off_road", "departures", "outside_m", "largest_offset_m")

    def worst_road(trial: Trial, row: int) -> tuple[tuple[float, ...], int]:
        columns = results[name, trial.condition.name]
        return max(
            (tuple(columns[key][row, road] for key in severity), road)
            for road in range(trial.roads)
        )

    trial, row = max(trials, key=lambda place: worst_road(*place)[0])
    _, road = worst_road(trial, row)
    facts = {key: values[row, road] for key, values in results[name, trial.condition.name].items()}
    if not facts["departures"] and not facts["off_road"]:
        return {"name": name, "words": "never left its lane", "source": ""}
    words = (
        f"{trial.condition.name}, model {trial.number}, road {road}: "
        f"{facts['departures']:.0f} departures, put back "
        f"{facts['off_road'] + facts['standstills']:.0f} times in {facts['distance_m']:.0f} m"
    )
    model = models[trial.name, trial.number]
    if not model.exists():  # trained elsewhere, and only its results are here
        return {
            "name": name,
            "words": f"{words}; not filmed, since the model is not here",
            "source": "",
        }
    filmed = Filmed(load_runtime(model))
    drive_with(filmed, trial.job(road))
    return {"name": name, "words": words, "source": data_uri("video/mp4", _encoded(filmed))}


def _encoded(filmed: Filmed) -> bytes:
    """MP4 of the seconds around the first restart, or of the end where there was none; each picture
    at its own stamp."""
    middle = filmed.restarts[0] if filmed.restarts else filmed.shown[-1][0]
    shown = [one for one in filmed.shown if -BEFORE <= (one[0] - middle) * 1e-9 <= AFTER]
    height, width = shown[0][1].shape[:2]
    size = (SCALE * width, SCALE * height)
    file = io.BytesIO()
    with VideoWriter(file, ENCODER) as video:
        for stamp_ns, image, curvature in shown:
            canvas = np.full((size[1] + FOOT, size[0], 3), PAPER, np.uint8)
            canvas[: size[1]] = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)[..., ::-1]
            at = size[0] // 2 - round(
                float(np.clip(curvature / SHARPEST, -1, 1)) * (size[0] // 2 - 10)
            )
            cv2.line(canvas, (size[0] // 2, size[1] + 20), (at, size[1] + 20), MARK, 8)
            put_back = any(0 <= stamp_ns - restart <= 600_000_000 for restart in filmed.restarts)
            seconds = (stamp_ns - filmed.shown[0][0]) * 1e-9
            caption = f"{seconds:5.1f} s{'   put back' if put_back else ''}"
            cv2.putText(
                canvas,
                caption,
                (8, size[1] + 26),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.5,
                INK,
                1,
                cv2.LINE_AA,
            )
            video.write((stamp_ns - shown[0][0]) * 1e-9, canvas)
    return file.getvalue()
