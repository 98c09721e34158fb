"""How like the true picture is the one that the recorded world shows? MuJoCo draws what the camera
would see beside a recorded path, the recorded world synthesises it, a policy answers to both."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.deploy.runtime import Runtime
from liquid_control.evaluate.insight.similarity import structural_similarity
from liquid_control.experiments.recorded_world.charts import sheet, write_picture
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.steps import once
from liquid_control.model.installed import find_model
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.model.spec import names
from liquid_control.perception.observer import preprocess
from liquid_control.recordings.rosbag.writer import BagWriter
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.signals import Frame, Observation
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.bodies.body import TIMESTEP
from liquid_control.sim.bodies.car import CAMERA_FORWARD, CAMERA_PITCH, VEHICLE
from liquid_control.sim.drive import drive
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.recorded.loader import load_roads
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.view import synthesise
from liquid_control.sim.recorder import DriveRecorder
from liquid_control.sim.road import LANE_WIDTH
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.lane_keeping import SET_SPEED
from liquid_control.sim.world import World
from liquid_control.stats.bootstrap import ratio_interval
from liquid_control.system.jobs import processes, run_jobs

ROADS, LENGTH, POSES = 32, 150.0, 12
"""Roads, their length [m] and the poses on each."""

LARGEST_OFFSET, LARGEST_HEADING = 0.5, math.radians(5.0)
"""Of a pose beside the path [m], [rad]."""

HISTORY, HISTORY_DT = 8, 0.04
"""Pictures that the policy sees before it is asked, and the time between them [s]."""

CAMERA_HEIGHT = 1.35
"""Middle of those that are drawn [m]."""

MOUNTS = {
    "measured": CameraMount(CAMERA_HEIGHT, CAMERA_PITCH, 0.0, CAMERA_FORWARD),
    "estimated": CameraMount(),
}
"""What the recorded world is given: the design's values, about which each car's differ, or
nothing."""


@dataclasses.dataclass(frozen=True)
class PicturesJob:
    """One road: `poses` beside the path of a drive on it. `seed` fixes road and poses."""

    seed: int
    stratum: int
    poses: int
    model: PackedModel


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """One pose beside the path: similarity of the lower halves, share of the lower half that was
    not seen, the policy's curvature [1/m] by the true and by the synthesised pictures."""

    mount: str
    stratum: int
    offset: float
    heading_error: float
    similarity: float
    unseen: float
    true_curvature: float
    synthesised_curvature: float
    pictures: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


def compare_pictures(settings: RecordedWorldSettings) -> dict:
    """Similarity and agreement of steering by what the world was told of the camera, with 95 %
    intervals over poses."""
    roads = max(round(ROADS * settings.share), 2)
    model = pack_model(find_model("lane_keeper"))

    def make() -> dict:
        jobs = [
            PicturesJob(road_seed(settings.seed, index), index % STRATA, POSES, model)
            for index in range(roads)
        ]
        found = run_jobs(compare_on_road, jobs, processes(settings.workers), "roads")
        rows = [row for rows in found for row in rows]
        shown = [row for row in rows if row.pictures is not None and row.mount == "measured"]
        draw_sheet(shown[:STRATA], settings.results / "pictures.jpg")
        return {
            "mounts": {name: figures([r for r in rows if r.mount == name]) for name in MOUNTS},
            "poses": [dataclasses.replace(row, pictures=None) for row in rows],
        }

    decisive = {"roads": roads, "seed": settings.seed, "model": model.sha256, "poses": POSES}
    done = once(settings.out / "pictures" / "compared.json", decisive, make)
    return {"measured_by": done["commit"], **done["found"]["mounts"]}


def figures(rows: list[Compared]) -> dict:
    true = np.array([row.true_curvature for row in rows])
    synthesised = np.array([row.synthesised_curvature for row in rows])
    similarity = np.array([row.similarity for row in rows])
    spread = ratio_interval(similarity, np.ones(len(rows)))
    return {
        "poses": len(rows),
        "similarity": similarity.mean(),
        "similarity_ci": [spread.low, spread.high],
        "similarity_by_stratum": {
            stratum: np.mean([r.similarity for r in rows if r.stratum == stratum])
            for stratum in sorted({row.stratum for row in rows})
        },
        "unseen": np.mean([row.unseen for row in rows]),
        "steering_correlation": np.corrcoef(true, synthesised)[0, 1],
        "steering_rmse": np.sqrt(np.mean((true - synthesised) ** 2)),
        "steering_deviation": true.std(),
    }


def compare_on_road(job: PicturesJob) -> list[Compared]:
    """Drives the road once, records it, and compares at random poses beside the path."""
    world = World(WorldConfig(length=LENGTH, stratum=job.stratum), job.seed)
    runtime = load_packed(job.model)
    rows = []
    with tempfile.TemporaryDirectory(prefix="liquid_control_") as folder:
        bag = Path(folder) / "drive"
        times, poses, begin_ns = _record(world, bag, job.seed)
        for mount, camera in MOUNTS.items():
            roads = load_roads(
                bag,
                RecordingSettings(vehicle=VEHICLE, mount=camera, lane_width=LANE_WIDTH),
                PreprocessConfig(),
                Path(folder) / "cache",
            )
            rng = np.random.default_rng([job.seed, 0x71C5])
            road = max(roads.roads, key=len_of)
            for index in range(job.poses):
                station = rng.uniform(0.15, 0.9) * road.path.length
                offset = rng.uniform(-LARGEST_OFFSET, LARGEST_OFFSET)
                heading = rng.uniform(-LARGEST_HEADING, LARGEST_HEADING)
                seen = _views(world, road, times, poses, begin_ns, station, offset, heading)
                row = _compared(runtime, road, seen, station, mount, job.stratum, offset, heading)
                rows.append(row if index == 0 else dataclasses.replace(row, pictures=None))
    world.close()
    return rows


def len_of(road: RecordedRoad) -> float:
    return road.path.length


def draw_sheet(rows: list[Compared], file: Path) -> None:
    """The true picture, the synthesised one, and where it was seen, of each pose; two in a row."""
    tiles = []
    for row in rows:
        true, synthesised, seen = row.pictures
        mask = np.repeat(np.where(seen, 235, 60).astype(np.uint8)[..., None], 3, -1)
        tiles.append([true, synthesised, mask])
    half = len(tiles) // 2
    columns = [left + right for left, right in zip(tiles[:half], tiles[half:], strict=False)]
    write_picture(sheet(columns), file)


def _record(world: World, bag: Path, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Drives to the end. Returns times (P,) [s], the rear axle's poses (P, 3) and the stamp of time
    zero."""
    controller = Controller(ExpertRuntime(world, PreprocessConfig()), speed=SET_SPEED)
    rows = []
    with BagWriter(bag, vehicle=world.body.vehicle) as writer:
        recorder = DriveRecorder(writer, world, seed)
        gate = SafetyGate(vehicle=world.body.vehicle)
        for step in drive(world, controller, gate, tap=recorder.sample):
            if controller.action is not None:
                recorder.command(step.command, step.action)
            truth = step.truth
            rows.append((truth.stamp_ns * 1e-9, *_rear(world, truth.x, truth.y, truth.yaw)))
    table = np.array(rows)
    table[:, 3] = np.unwrap(table[:, 3])
    return table[:, 0], table[:, 1:], recorder.begin_ns


def _rear(world: World, x: float, y: float, yaw: float) -> tuple[float, float, float]:
    back = world.body.to_rear_axle
    return x - back * math.cos(yaw), y - back * math.sin(yaw), yaw


def _views(
    world: World,
    road: RecordedRoad,
    times: np.ndarray,
    poses: np.ndarray,
    begin_ns: int,
    station: float,
    offset: float,
    heading_error: float,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The true and the synthesised pictures, and where these were seen, of the last `HISTORY`
    frames of a drive beside the path that ends at `station`."""
    path, found = road.path, []
    speed = road.speed_at(station)
    for back in reversed(range(HISTORY)):
        at = max(station - back * HISTORY_DT * speed, 0.0)
        exposed = np.interp(at, path.station, (path.stamp_ns - begin_ns) * 1e-9)
        # The picture of an exposure shows the end of its time step.
        shown = exposed + TIMESTEP / 2
        x, y, yaw = (float(np.interp(shown, times, poses[:, axis])) for axis in range(3))
        x, y = x - offset * math.sin(yaw), y + offset * math.cos(yaw)
        yaw += heading_error
        ahead = world.body.to_rear_axle
        world.physics.place(x + ahead * math.cos(yaw), y + ahead * math.sin(yaw), yaw, speed)
        rows, columns = road.pictures.shape[1:3]
        true = world.render(world.config.image_width, world.config.image_height)
        if true.shape[:2] != (rows, columns):
            true = cv2.resize(true, (columns, rows), interpolation=cv2.INTER_AREA)
        found.append((true, *synthesise(road, at, offset, heading_error)))
    return found


def _compared(
    runtime: Runtime,
    road: RecordedRoad,
    views: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    station: float,
    mount: str,
    stratum: int,
    offset: float,
    heading_error: float,
) -> Compared:
    speed, curvature = road.speed_at(station), road.line.at(station)[3]
    measured = {
        "yaw_rate": speed * curvature,
        "lateral_acceleration": speed**2 * curvature,
        "speed": speed,
    }
    true, synthesised, seen = views[-1]
    half = true.shape[0] // 2
    gray = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY)[half:] for one in (true, synthesised)]
    return Compared(
        mount,
        stratum,
        offset,
        heading_error,
        structural_similarity(*gray),
        1.0 - float(np.mean(seen[half:])),
        _answer(runtime, [view[0] for view in views], measured),
        _answer(runtime, [view[1] for view in views], measured),
        views[-1],
    )


def _answer(runtime: Runtime, pictures: list[np.ndarray], measured: dict[str, float]) -> float:
    """The policy's curvature [1/m] at the last picture of a drive at constant speed."""
    values = [measured[name] for name in names(runtime.spec.measurements)]
    state, curvature = runtime.initial_state(), 0.0
    for index, picture in enumerate(pictures):
        shown = preprocess(Frame(0, picture).image, runtime.preprocess)
        stamp_ns = round(index * HISTORY_DT * 1e9)
        seen = Observation(stamp_ns, shown, np.array(values, np.float32), HISTORY_DT, index == 0)
        action, state = runtime.step(seen, state)
        curvature = float(action[0])
    return curvature
