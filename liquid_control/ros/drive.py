"""`liquid-control drive`: the three nodes as separate processes, a recorder, live progress, and
a report at the end.

Importing this module needs no ROS; driving does.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from liquid_control.config import (
    VehicleConfig,
    check,
    choice,
    group,
    number,
    path,
    several,
    switch,
    text,
)
from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.evaluate.closed_loop.worlds import (
    MUJOCO,
    cache_folder,
    recordings_of,
    refuse_other_vehicle,
    with_image,
)
from liquid_control.evaluate.drive.log import DriveLog
from liquid_control.model.car import chooses_speed
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.launching import WITH_OPERATOR
from liquid_control.ros.node_processes import (
    Child,
    Children,
    EnvironmentVariables,
    isolated_environment,
)
from liquid_control.system.files import clear_results
from liquid_control.system.verb import Interrupted, Verb

if TYPE_CHECKING:
    from liquid_control.ros.recorded_drive import RecordedDrive

FASTEST_ROAD = 15.0  # m/s that a road's own plan allows; sets the length of road to build
PROGRESS_PERIOD = 0.2
TAKING_PERIOD = 0.04
LOOPBACK, BY_HAND = "127.0.0.1", "a person"
AFTER_DEATH = 3.0
"""A drive goes on for so long [s] after a process died, to show what the safety gate made of it."""


@dataclasses.dataclass(frozen=True)
class DriveSettings:
    """Watch a policy drive the simulated car, or the vehicle of a recording on its own path, over
    real ROS 2 topics."""

    model: str = text("lane_keeper", "path of a model directory, or the name of an installed model")
    seconds: float = number(30.0, 1.0, 86400.0, "s", "how long to drive")
    seed: int = number(0, 0, 2**63 - 1, "", "seed of the road, its appearance and the vehicle")
    speed: float = number(
        20.0, 0.5, 60.0, "m/s", "set speed; the road's own speed plan and bends lower it"
    )
    out: Path = path(
        Path("out/drive"), "folder for drive.mp4, report.html and summary.json", writes="folder"
    )
    video: bool = switch(True, "record the pictures and write drive.mp4")
    record: Path | None = path(
        None,
        "also record the drive to this rosbag2 directory; pictures are then sent as JPEG",
        writes="folder",
    )
    jpeg_quality: int = number(
        92, 1, 100, "", "JPEG quality with --record, of the pictures that the policy gets too"
    )
    by: str = choice(
        "policy",
        ("policy", "hand"),
        "who drives: the policy, or a person through the gate, on the operator's page or with a "
        "joystick",
    )
    port: int = number(8765, 0, 65535, "", "with --by hand: port of the page; 0: any that is free")
    view: bool = switch(False, "open the report in a browser when done")
    worlds: tuple[str, ...] = several(
        (MUJOCO,),
        "where to drive: mujoco, or recording:PATH [recording:PATH ...] of any format that replay "
        "reads; its longest stretch comes first",
        flag="world",
    )
    recording: RecordingSettings = group(RecordingSettings(), flat=True)

    def __post_init__(self) -> None:
        check(self)
        recordings_of(self.worlds)


def drive(settings: DriveSettings) -> dict:
    """Drives and writes drive.mp4, report.html and summary.json to `settings.out`.

    Returns the summary; its `success` means no departure and no dead process. Ctrl-C ends the drive
    early: the report is written, and Interrupted raised with the summary; a second Ctrl-C ends at
    once. Raises LiquidControlError when the drive cannot start. No process is left behind, and no
    result of an earlier drive.
    """
    from liquid_control.evaluate.drive.report import RESULTS, write_drive
    from liquid_control.report.page import require

    require("jinja2", *(("av", "matplotlib") if settings.video else ()))
    info = read_model(find_model(settings.model))
    try:
        settings.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "DriveSettings.out",
            str(settings.out),
            f"a directory that can be made ({error.strerror})",
        ) from error
    clear_results(settings.out, *RESULTS, "logs/*.log")
    with _Stop() as stop, cache_folder(None) as cache:
        recorded, paths = None, recordings_of(settings.worlds)
        if paths:
            from liquid_control.ros.recorded_drive import open_recordings

            image = with_image(info.spec)
            recorded = open_recordings(paths, settings.recording, image, Path(cache))
        else:
            refuse_other_vehicle(info)
        log = _drive(settings, info.directory.resolve(), stop, recorded)
        if recorded and settings.record:
            recorded.describe(settings.record)
        summary = write_drive(recorded.drawn(log) if recorded else log, settings.out)
        if settings.view:
            webbrowser.open((settings.out / "report.html").resolve().as_uri())
    print(f"report: {settings.out / 'report.html'}", file=sys.stderr)
    if stop.requested:
        raise Interrupted(summary)
    return summary


def _drive(
    settings: DriveSettings, model: Path, stop: _Stop, recorded: RecordedDrive | None
) -> DriveLog:
    try:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions
    except ImportError as error:
        remedy = "Source a ROS 2 installation, or run make drive, which brings its own"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    from liquid_control.ros.recorder import Recorder
    from liquid_control.ros.supervisor import Supervisor
    from liquid_control.sim.bodies.car import VEHICLE

    vehicle = recorded.vehicle if recorded else VEHICLE
    environment, claim = isolated_environment()
    logs = settings.out.resolve() / "logs"
    environment["ROS_LOG_DIR"] = str(logs)
    started = time.monotonic()
    page = ""
    if settings.by == "hand":
        settings = dataclasses.replace(settings, port=_free_port(settings.port))
        page = f"http://{LOOPBACK}:{settings.port}/"
    children = Children(_children(settings, model, vehicle, recorded), environment, logs)
    with _bag(settings, model, vehicle) as bag, claim, children:
        try:
            with EnvironmentVariables(
                environment | transport({**os.environ, **environment}, shared_memory=True)
            ):
                rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
                recorder, executor = (
                    Recorder(vehicle, settings.video, bag),
                    SingleThreadedExecutor(),
                )
            executor.add_node(recorder)
            supervisor = Supervisor(recorder, executor, children)
            supervisor.bring_up()
            figures = {"policy_active_after_s": round(time.monotonic() - started, 2)}
            supervisor.await_listeners(
                pictures=settings.video or bag is not None,
                inertial=bag is not None,
                imu=recorded is None or recorded.inertial,
            )
            domain = environment["ROS_DOMAIN_ID"]
            if page:
                print(f"drive on {page}, or with a joystick", file=sys.stderr)
            print(
                f"driving for {settings.seconds:g} s on ROS domain {domain}; Ctrl-C ends it early",
                file=sys.stderr,
                flush=True,
            )
            recorder.recording = stop.gentle = True
            supervisor.run_world(True)
            _watch(settings.seconds, recorder, children, stop)
            if not children.died():
                supervisor.run_world(False)
                recorder.recording = False
                supervisor.settle()
            recorder.finish()
            figures |= {
                f"{name}_rss_mb": megabytes for name, megabytes in children.memory_mb().items()
            }
        finally:
            children.end()
            rclpy.try_shutdown()
    facts = {
        "model": model.name,
        **({"driver": BY_HAND} if settings.by == "hand" else {}),
        "seed": str(settings.seed),
        "road": ", ".join(path.name for path in recorded.paths) if recorded else "held out",
        "start-up check": "; ".join(text for one in recorder.complaints.values() for text in one)
        or "ok",
        **({"recording": str(settings.record)} if bag else {}),
    }
    return recorder.log(figures, children, facts)


def _bag(settings: DriveSettings, model: Path, vehicle: VehicleConfig) -> AbstractContextManager:
    """The recording, if there is one. Raises RecordingError when its path exists."""
    if settings.record is None:
        return nullcontext()
    from liquid_control.recordings.rosbag.writer import BagWriter

    facts = {
        "made_by": "liquid-control drive",
        "driver": model.name,
        "driver_sha256": read_model(model).artefact("onnx").sha256,
    }
    if settings.by == "hand":
        facts = {"made_by": "liquid-control drive", "driver": BY_HAND}
    facts |= {"seed": str(settings.seed), "set_speed": f"{settings.speed:g} m/s"}
    return BagWriter(settings.record, facts=facts, vehicle=vehicle)


def _children(
    settings: DriveSettings, model: Path, vehicle: VehicleConfig, recorded: RecordedDrive | None
) -> list[Child]:
    shape = {
        f"vehicle.{field.name}": getattr(vehicle, field.name)
        for field in dataclasses.fields(vehicle)
    }
    policy = {
        "model": str(model),
        "autostart": False,
        "publish_neurons": True,
        "speed": settings.speed,
        "image_transport": "compressed" if settings.record else "raw",
    }
    length = min(FASTEST_ROAD * settings.seconds + 200.0, 20000.0)
    world = {
        "seed": settings.seed,
        "held_out": True,
        "running": False,
        "world.length": length,
        "jpeg_quality": settings.jpeg_quality,
        "obey_speed": chooses_speed(read_model(model).spec),
    }
    limits: dict[str, object] = {"gate.max_speed": settings.speed}
    if recorded is not None:
        policy |= recorded.policy(settings.speed)
        limits = recorded.safety(settings.speed)
        world["recorded_roads"] = str(recorded.file)
    hands = []
    if settings.by == "hand":
        limits |= WITH_OPERATOR["safety_node"]
        policy |= WITH_OPERATOR["policy_node"]
        speed = {"hand_speed": min(settings.speed, 30.0)}
        page = {"host": LOOPBACK, "port": settings.port}
        hands = [
            Child("operator_node", "liquid_control.ros.operator_node", {**speed, **page}),
            Child("joystick_node", "liquid_control.ros.joystick_node", speed),
        ]
    return [
        *hands,
        Child("policy_node", "liquid_control.ros.policy_node", {**shape, **policy}),
        Child(
            "safety_node",
            "liquid_control.ros.safety_node",
            {**shape, **limits, "state_folder": "none"},
        ),
        Child("sim_node", "liquid_control.ros.sim_node", world),
    ]


def _free_port(port: int) -> int:
    """`port`, or where that is 0 one that is free now. Raises ConfigError for one in use, and
    MissingDependencyError without what serves a page."""
    if importlib.util.find_spec("aiohttp") is None:
        remedy = "Install the operate extra: pip install 'liquid_control[operate]'"
        raise MissingDependencyError("aiohttp", remedy)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigError("DriveSettings.port", port, "one that is free, or 0") from error
        return probe.getsockname()[1]


def _watch(seconds: float, recorder, children: Children, stop: _Stop) -> None:
    """Records until the time is up, Ctrl-C, or a little after a process died."""
    from tqdm import tqdm

    began = shown = time.monotonic()
    end, failed = began + seconds, False
    with tqdm(
        total=round(seconds), unit="s", disable=None, bar_format="{desc} |{bar}| {n:.0f}/{total} s"
    ) as bar:
        while (now := time.monotonic()) < end and not stop.requested:
            time.sleep(TAKING_PERIOD)
            recorder.take()
            if now < shown + PROGRESS_PERIOD:
                continue
            shown = now
            bar.n = min(now - began, seconds)
            bar.set_description_str(_line(recorder))
            if children.died() and not failed:
                bar.write(f"{', '.join(children.died())} died", file=sys.stderr)
                end, failed = min(end, now + AFTER_DEATH), True


def _line(recorder) -> str:
    latest, latencies = recorder.latest, sorted(recorder.recent_latencies)
    latency = f"{1e3 * latencies[len(latencies) // 2]:4.1f}" if latencies else "   -"
    speed, offset, gate = (
        latest.get("speed", 0.0),
        latest.get("lane_offset", 0.0),
        latest.get("gate", "-"),
    )
    return f"{speed:4.1f} m/s  lane {offset:+.2f} m  latency {latency} ms  gate {gate[:24]:24}"


def _lines(summary: Mapping) -> str:
    width = max(map(len, summary))
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in summary.items())


class _Stop:
    """A context for Ctrl-C and SIGTERM: they interrupt whatever runs, but the first one while
    `gentle` only sets `requested`."""

    def __init__(self) -> None:
        self.gentle = self.requested = False

    def __enter__(self) -> _Stop:
        self._before = {
            signum: signal.signal(signum, self._on_signal)
            for signum in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _on_signal(self, signum: int, frame: object) -> None:
        if not self.gentle or self.requested:
            raise KeyboardInterrupt
        self.requested = True


VERB = Verb(DriveSettings, drive, _lines, lambda summary: summary["success"])
