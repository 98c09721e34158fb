"""What a recorded world shows: `python -m liquid_control.sim.recorded.sheet RECORDING OUT.jpg`.

Each row is one place of the recording. Left the recorded picture; next to it the same place
synthesised from frames half a second behind, which a recording can be held against; then views from
beside the path, where what no frame saw is red; last, lanes of other looks that training draws
along the same path.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.sim.recorded.drawn import DrawnView
from liquid_control.sim.recorded.loader import load_roads
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.view import Synthesis

ROWS, WIDTH, CAPTION, MARGIN = 5, 256, 22, 3
PAPER, INK, UNSEEN = (250, 250, 250), (40, 34, 30), (200, 40, 40)
BEHIND = 0.5
"""Age of the frames from which a recorded one is predicted [s]."""
ACROSS, TURN = 0.6, 0.2
"""Of the other views: as a share of the way out of the lane, and in radians."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draws what the recorded world shows.")
    parser.add_argument("recording", type=Path, help="recording of any format")
    parser.add_argument("out", type=Path, help="picture to write (.jpg or .png)")
    parser.add_argument("--vehicle", default="", help="vehicle.yaml, or the name of a preset")
    parser.add_argument("--crop-top", type=float, default=0.0, help="share of rows cut off")
    options = parser.parse_args(arguments)
    preprocess = PreprocessConfig(crop_top=options.crop_top)
    settings = RecordingSettings(vehicle_file=options.vehicle)
    with tempfile.TemporaryDirectory() as cache:
        roads = load_roads(options.recording, settings, preprocess, Path(cache))
        road = max(roads.roads, key=lambda one: one.path.length)
        picture = sheet(road)
    cv2.imwrite(str(options.out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    for name, found in roads.estimates.items():
        print(f"{name}: {found}")
    print(
        "predicted {:.3f}, unmoved {:.3f}: correlation with the recorded".format(*foresight(road))
    )


def sheet(road: RecordedRoad) -> np.ndarray:
    """The contact sheet (rows, columns, 3) uint8 RGB of one road."""
    across = ACROSS * road.scale.off_road
    views = {
        f"{across:.2g} m left": (across, 0.0),
        f"{across:.2g} m right": (-across, 0.0),
        f"{np.degrees(TURN):.0f} deg left": (0.0, TURN),
        f"{np.degrees(TURN):.0f} deg right": (0.0, -TURN),
    }
    beside, path = Synthesis(road), road.path
    drawn = DrawnView(road, np.random.default_rng(0))
    names = ("recorded", f"from {BEHIND:g} s behind", *views, "drawn", "drawn")
    rows = [[_caption(text) for text in names]]
    for frame in np.linspace(0.1, 0.9, ROWS) * len(path):
        frame = int(frame)
        station = float(path.station[frame])
        row = [_tile(road.pictures[frame]), _tile(*_predicted(road, frame))]
        row += [_tile(*beside.at(station, *pose)) for pose in views.values()]
        for _ in range(2):
            drawn.renew()
            row.append(_tile(*drawn.at(station, 0.0, 0.0)))
        rows.append(row)
    return np.vstack([np.hstack(row) for row in rows])


def foresight(road: RecordedRoad, frames: int = 60) -> tuple[float, float]:
    """Mean correlation of recorded pictures' ground with what frames `BEHIND` seconds earlier
    predict of it, and with those frames as they are: how well camera and motion are known."""
    path, found = road.path, []
    first = int(np.searchsorted(path.stamp_ns, path.stamp_ns[0] + BEHIND * 1e9)) + 1
    top = max(int(road.camera.horizon) + 1, 0)
    for frame in np.linspace(first, len(path) - 1, frames).astype(int):
        predicted, _ = _predicted(road, frame)
        earlier = road.pictures[_earlier(road, frame)]
        true = road.pictures[frame]
        found.append([_alike(one[top:], true[top:]) for one in (predicted, earlier)])
    predicted, unmoved = np.nanmean(found, 0)
    return float(predicted), float(unmoved)


def _predicted(road: RecordedRoad, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture at a frame's pose, and where it was seen, from frames `BEHIND` earlier."""
    earlier, station = _earlier(road, frame), float(road.path.station[frame])
    return Synthesis(road, gap=station - float(road.path.station[earlier])).at(station, 0.0, 0.0)


def _earlier(road: RecordedRoad, frame: int) -> int:
    stamps = road.path.stamp_ns
    return max(int(np.searchsorted(stamps, stamps[frame] - BEHIND * 1e9)), 0)


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1])


def _tile(picture: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
    shown = picture.copy()
    if seen is not None:
        shown[~seen] = shown[~seen] // 2 + np.array(UNSEEN, np.uint8) // 2
    height = round(WIDTH * picture.shape[0] / picture.shape[1])
    shown = cv2.resize(shown, (WIDTH, height), interpolation=cv2.INTER_LINEAR)
    edges = (0, MARGIN, MARGIN, MARGIN)
    return cv2.copyMakeBorder(shown, *edges, cv2.BORDER_CONSTANT, value=PAPER)


def _caption(text: str) -> np.ndarray:
    strip = np.full((CAPTION, WIDTH + 2 * MARGIN, 3), PAPER, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    return cv2.putText(strip, text, (6, 16), font, 0.5, INK, 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
