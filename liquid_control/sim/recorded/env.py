"""Recordings as a gymnasium environment, `liquid_control/RecordedRoad-v0`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.sim.env import DrivingEnv, settings_of, time_limit_of
from liquid_control.sim.recorded.loader import load_roads
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.world import RecordedWorldConfig
from liquid_control.sim.recorded.worlds import RecordedWorlds

CACHE = Path("runs/cache")


def recorded_road(
    recordings: str | Path | Sequence[str | Path | RecordedRoad],
    settings: RecordingSettings | Mapping | None = None,
    world: RecordedWorldConfig | Mapping | None = None,
    preprocessing: PreprocessConfig | Mapping | None = None,
    cache: str | Path = CACHE,
    time_limit: float = 120.0,
    render_mode: str | None = None,
) -> DrivingEnv:
    """Steer a vehicle along the path that it was driven, seen through its recorded camera.

    `recordings`: one or several paths of recordings, or loaded roads, of one vehicle; `settings`:
    how they are read, `cache`: where decoded pictures are kept. An episode begins at a station that
    the seed draws.

    See `DrivingEnv` for steps, observation, action, reward and ends. The observation's measurements
    are those that all recordings hold: (M,) with M from 0 to 3. An action of 1 is the vehicle's
    largest curvature. The speed is the recorded one, as is the road: `held_out` is refused. Raises
    the errors of `load_roads`, ConfigError for wrong arguments.
    """
    named = [recordings] if isinstance(recordings, (str, Path)) else list(recordings)
    if not named:
        raise ConfigError("recordings", "none", "at least one path of a recording")
    limit, preprocess = time_limit_of(time_limit), settings_of(PreprocessConfig, preprocessing)
    reading = settings_of(RecordingSettings, settings)
    roads: list[RecordedRoad] = []
    for one in named:
        if isinstance(one, RecordedRoad):
            roads.append(one)
        else:
            roads += load_roads(Path(one), reading, preprocess, Path(cache)).roads
    worlds = RecordedWorlds(roads, settings_of(RecordedWorldConfig, world), limit)
    return DrivingEnv.over(worlds, worlds.action_limit, render_mode)
