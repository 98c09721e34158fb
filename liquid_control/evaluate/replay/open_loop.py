"""Open loop: recordings through the robot's `Controller`, `Loop` and `SafetyGate`, on the
recording's own clock. No decision depends on the wall clock, so two runs give the same commands to
the last bit.

The present time is the receive time of a message, as in a node; stamps are those of the messages.
Every stretch of a recording begins as a recording does: a pause and a clock that was set are not
driven through.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.config import GateConfig, PreprocessConfig, TimelineConfig, check, group, number
from liquid_control.control.controller import Controller
from liquid_control.control.driving_scale import gate_for
from liquid_control.control.loop import Loop
from liquid_control.control.safety import SafetyGate
from liquid_control.control.vehicle import steering_angle
from liquid_control.deploy.runtime import Runtime
from liquid_control.evaluate.replay.log import LONGEST_GAP, Recorded, ReplayLog, Rows
from liquid_control.inspection.clocks import ClockTracks
from liquid_control.inspection.vehicle_size import Sharpness, judge_sharpness
from liquid_control.model.spec import names
from liquid_control.perception.observer import PreparedFrame, prepare
from liquid_control.perception.view import ViewSettings
from liquid_control.recordings.contributions import contributions, steering_contribution
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.motion import Track
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.stretches import Stretches
from liquid_control.recordings.values import CLASS_OF_ROLE
from liquid_control.recordings.vehicle_file import node_parameters, with_parameters
from liquid_control.recordings.view import crop_for
from liquid_control.signals import Action, Command, Frame, Observation, SpeedSample, SteeringSample

BURST = 128
"""Samples taken at a time, some ten frames."""

CRUISE = {"set_speed": "speed", "comfort_lateral_acceleration": "comfort_lateral_acceleration"}
"""Parameters of the policy node, by our names."""

NOWHERE = float("nan")
"""Stands for an angle or a speed that is not known yet."""


@dataclasses.dataclass(frozen=True)
class OpenLoopSettings:
    """How recordings are read, and the robot that they are replayed on."""

    recording: RecordingSettings = group(RecordingSettings(), flat=True)
    timeline: TimelineConfig = group(TimelineConfig())
    view: ViewSettings = group(ViewSettings())
    gate: GateConfig = group(GateConfig())
    set_speed: float = number(15.0, 0.0, 100.0, "m/s", "set speed; bends lower it")
    comfort_lateral_acceleration: float = number(
        2.5, 0.05, 20.0, "m/s²", "lateral acceleration in bends, which sets their speed"
    )

    def __post_init__(self) -> None:
        check(self)


Watcher = Callable[[Frame, Sequence[Action | None], float], None]
"""Gets every frame that arrives, each model's new action on it (None: rejected), and the latest
recorded angle [rad] or NaN."""


def replay(
    models: Mapping[str, Runtime],
    path: str | Path,
    settings: OpenLoopSettings | None = None,
    watch: Watcher | None = None,
    advance: Callable[[float], object] = lambda seconds: None,
) -> list[ReplayLog]:
    """As `replay_source`, of the recording at `path`. Raises as `open_recording` does."""
    settings = settings or OpenLoopSettings()
    with open_recording(path, settings.recording) as source:
        return replay_source(models, source, settings, watch, advance)


def replay_source(
    models: Mapping[str, Runtime],
    source: Source,
    settings: OpenLoopSettings,
    watch: Watcher | None = None,
    advance: Callable[[float], object] = lambda seconds: None,
) -> list[ReplayLog]:
    """Replays one recording through every model at once, each with its own time line, state and
    gate; a log for each.

    `source` is open, with `settings.recording`. `advance` is called with the seconds of recording
    since its last call. The vehicle is that of the source's settings.
    """
    settings = of_vehicle(settings, source.settings)
    robots = [
        _Robot(runtime, crop_for(source, settings.view, runtime.preprocess), settings)
        for runtime in models.values()
    ]
    kinds = {robot.preprocess for robot in robots}

    def prepare_for_all(frame: Frame) -> _Prepared:
        prepared = {kind: prepare(frame, kind) for kind in kinds}
        return _Prepared(frame.stamp_ns, prepared, frame if watch else None)

    stamps, angles, offsets = array("q"), array("d"), array("d")
    sharpness = Sharpness(settings.recording.vehicle)
    frames, steered, advanced = 0, NOWHERE, 0.0
    stretches, clocks = Stretches(), ClockTracks(settings.recording.stamps == "receive")
    began = time.perf_counter()
    for receive_ns, sample in _in_bursts(source.samples(prepare=prepare_for_all)):
        if stretches.begins(receive_ns):
            clocks.begin()
            for robot in robots:
                robot.reset()
        clocks.push(_ROLE_OF[type(sample)], sample, receive_ns)
        if isinstance(sample, SteeringSample):
            stamps.append(sample.stamp_ns)
            angles.append(sample.steering_angle)
            sharpness.push(sample.steering_angle)
            steered = sample.steering_angle
            continue
        actions = [robot.take(receive_ns, sample) for robot in robots]
        if isinstance(sample, _Prepared):
            frames += 1
            offsets.append((receive_ns - sample.stamp_ns) / 1e9)
            if watch:
                watch(sample.frame, actions, steered)
            advance(stretches.seconds - advanced)
            advanced = stretches.seconds
    recorded = Recorded(np.array(stamps, np.int64), np.array(angles))
    track = Track(recorded.stamp_ns, recorded.steering_angle)
    wall = time.perf_counter() - began
    offset = float(np.median(offsets)) if frames else None
    is_curvature = "steering" in source.roles and source.roles["steering"].quantity == "curvature"
    findings = (*clocks.findings(source.clock), *judge_sharpness(sharpness, is_curvature))
    return [
        ReplayLog(
            model,
            source.path.name,
            issued,
            recorded,
            settings.recording.vehicle,
            frames,
            robot.controller.counts,
            dict(source.skipped),
            tuple(map(str, source.damage)),
            {role: stream.name for role, stream in source.roles.items()},
            stretches.seconds,
            wall,
            np.array(source.decode_s),
            np.array(robot.step_s),
            offset,
            contributions(
                source,
                robot.controller.observer.contributions,
                steering_contribution(issued.of_frames().stamp_ns, track, LONGEST_GAP),
            ),
            tuple(source.remarks),
            findings,
            tuple(source.clock.segments),
            source.full_curvature,
        )
        for model, robot in zip(models, robots, strict=True)
        for issued in (robot.rows.issued(),)
    ]


def of_vehicle(settings: OpenLoopSettings, recording: RecordingSettings) -> OpenLoopSettings:
    """What is not set is as on the recorded vehicle: of a robot that --vehicle names by its
    parameters, else the gate's limits by the vehicle's size."""
    said, gate = node_parameters(recording), settings.gate
    default = OpenLoopSettings()
    cruise = {
        name: said[parameter]
        for name, parameter in CRUISE.items()
        if parameter in said and getattr(settings, name) == getattr(default, name)
    }
    if gate == GateConfig():
        gate = gate_for(recording.vehicle)
        if "gate" in said:
            gate = with_parameters(GateConfig(), recording, "gate")
    return dataclasses.replace(
        settings,
        recording=recording,
        gate=gate,
        timeline=with_parameters(settings.timeline, recording, "timeline"),
        **cruise,
    )


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class _Prepared:
    """A frame preprocessed for each model. `frame`: the original, only for a watcher: without one,
    the next picture is decoded into memory that is still in the CPU's cache."""

    stamp_ns: int
    by_config: Mapping[PreprocessConfig, PreparedFrame]
    frame: Frame | None


_ROLE_OF = {kind: role for role, kind in CLASS_OF_ROLE.items()} | {_Prepared: "camera"}


def _in_bursts(samples: Iterator) -> Iterator:
    """The same samples, taken many at a time: while a policy steps several times in a row, its
    weights stay in the CPU's cache; decoding in between would evict them."""
    while burst := list(itertools.islice(samples, BURST)):
        yield from burst


class _Robot:
    """One model with its controller and gate, on the recording's clock."""

    def __init__(
        self, runtime: Runtime, preprocess: PreprocessConfig, settings: OpenLoopSettings
    ) -> None:
        self.vehicle = settings.recording.vehicle
        self.preprocess = preprocess
        measurements = names(runtime.spec.measurements)
        self._yaw_rate = measurements.index("yaw_rate") if "yaw_rate" in measurements else -1
        self.controller = Controller(
            runtime,
            settings.timeline,
            settings.set_speed,
            settings.comfort_lateral_acceleration,
            self.vehicle,
        )
        self.rows, self.step_s = Rows(), array("d")
        self._gate, self._loop = SafetyGate(settings.gate, self.vehicle), Loop()
        self._fresh_ns = round(settings.gate.speed_stale_after * 1e9)
        self._speed: tuple[int, SpeedSample] | None = None
        self._previous: Command | None = None
        self._clock_ns: int | None = None
        self._angle = NOWHERE

    def reset(self) -> None:
        """Begins a stretch: as the nodes do when their clock goes back."""
        self.controller.reset()
        self._loop.reset()
        self._previous = self._speed = self._clock_ns = None
        self._angle = NOWHERE

    def take(self, receive_ns: int, sample: object) -> Action | None:
        """The new action where the sample is a frame that the policy used."""
        if self._clock_ns is not None:
            receive_ns = max(receive_ns, self._clock_ns)  # of messages that arrive together
        self._clock_ns = receive_ns
        for due_ns in self._loop.due_before(receive_ns):
            self._issue(due_ns, on_frame=False)
        if not isinstance(sample, _Prepared):
            self.controller.push(sample, receive_ns)
            self._speed = (receive_ns, sample) if isinstance(sample, SpeedSample) else self._speed
            return None
        began = time.perf_counter()
        action = self.controller.push(sample.by_config[self.preprocess], receive_ns)
        self.step_s.append(time.perf_counter() - began)
        if not isinstance(action, Action):
            return None
        self._angle = steering_angle(action.curvature, self.vehicle)
        if self._loop.wake(receive_ns, proposed=True):
            self._issue(receive_ns, on_frame=True)
        return action

    def _issue(self, now_ns: int, on_frame: bool) -> None:
        action, observation = self.controller.action, self.controller.observation
        speed = self._known_speed(now_ns)
        self._previous, verdict = self._gate.apply(action, speed, now_ns, self._previous)
        self.rows.add(
            self._previous,
            verdict,
            action,
            self._angle,
            NOWHERE if speed is None else speed,
            self._measured_yaw_rate(observation),
            on_frame,
            self.controller.chosen_speed,
        )

    def _measured_yaw_rate(self, observation: Observation) -> float:
        """That of the frame [rad/s], NaN where it was not measured."""
        if self._yaw_rate < 0 or "yaw_rate" in self.controller.observer.assumed:
            return NOWHERE
        return float(observation.measurements[self._yaw_rate])

    def _known_speed(self, now_ns: int) -> float | None:
        """The measured speed [m/s] while it is fresh by its stamp and by its arrival, as the safety
        node sees it."""
        if self._speed is None:
            return None
        arrived_ns, sample = self._speed
        known = (
            now_ns - arrived_ns <= self._fresh_ns
            and abs(now_ns - sample.stamp_ns) <= self._fresh_ns
        )
        return sample.speed if known else None
