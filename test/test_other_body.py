"""A body that is no car: two thrusts steer a mass by four measurements, without a camera. It
trains, exports and flies by its spec alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from liquid_control.data.episode import Episode, load_episode
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.deploy.export import export_onnx
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.inspection.model import inspect_model
from liquid_control.model.cores import CORES
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.spec import Feature, PolicySpec
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model
from liquid_control.signals import Observation
from liquid_control.train.fit import FitSettings, make_optimiser, optimise, schedule
from liquid_control.train.validation import validate

PLACE = (Feature("side", "m", mirror=-1), Feature("height", "m"))
SPEED = (Feature("side_speed", "m/s", mirror=-1), Feature("climb", "m/s"))
THRUST = (Feature("side_thrust", "N", scale=2.0, mirror=-1), Feature("lift", "N", scale=2.0))
SPEC = PolicySpec(None, PLACE + SPEED, THRUST)
STEPS, WIND = 80, np.array([0.3, -0.4])


def expert(seen: Observation) -> np.ndarray:
    """Thrust (2,) [N] that brings a mass of 1 kg to the origin and holds it there in the wind."""
    return -2.0 * seen.measurements[:2] - 2.5 * seen.measurements[2:] - WIND


def fly(seed: int, policy) -> tuple[Episode, float]:
    """A flight with irregular steps: its episode with the expert's actions, and the mean distance
    from the origin [m]."""
    rng = np.random.default_rng(seed)
    dt, seen = rng.uniform(0.02, 0.08, STEPS), []
    stamps = 10**18 + np.cumsum(dt * 1e9).astype(np.int64)
    place, speed = rng.uniform(-2, 2, 2), np.zeros(2)
    for step in range(STEPS):
        numbers = np.concatenate([place, speed]).astype(np.float32)
        seen.append(Observation(int(stamps[step]), None, numbers, dt[step], step == 0))
        thrust = np.clip(policy(seen[-1]), -5, 5) + WIND + rng.normal(0, 3.0, 2)
        speed = speed + thrust * dt[step]
        place = place + speed * dt[step]
    columns = [(one.measurements, one.dt, one.is_first, expert(one), ()) for one in seen]
    measurements, dt, first, action, none = map(np.array, zip(*columns, strict=True))
    dt, action = dt.astype(np.float32), action.astype(np.float32)
    distance = float(np.linalg.norm(measurements[:, :2], axis=1).mean())
    return Episode(SPEC, stamps, None, measurements, dt, first, action, none), distance


@pytest.mark.parametrize("core", ["ltc", "cfc"])
def test_another_body_trains_exports_and_flies(core, tmp_path):
    for seed in range(12):
        fly(seed, expert)[0].save(tmp_path / f"{seed}.npz")
    held_out, *learned = [load_episode(path) for path in sorted(tmp_path.glob("*.npz"))]
    torch.manual_seed(0)
    network, settings = PolicyNetwork(PolicyConfig(core=CORES[core]()), SPEC), FitSettings(batch=16)
    optimiser, rng = make_optimiser(network, settings), np.random.default_rng(0)
    sequences = Sequences(learned, 16, Augmentation())
    for step in range(1, 301):
        batch = sequences.draw(rng, settings.batch)
        optimise(network, optimiser, batch, settings, schedule(step, 300))
    found = validate(network, {"held out": held_out})
    assert found["rmse"] < 0.45 * found["rmse_straight"], "the error of doing nothing"

    save_model(tmp_path / "model", network, {}, {}, export=export_onnx)
    runtime = OnnxRuntime.load(tmp_path / "model")
    assert runtime.spec == network.spec and runtime.info.artefact("onnx").parity < 1e-4
    drawn = tmp_path / "wiring.svg"
    assert inspect_model(str(tmp_path / "model"), drawn)["image"] is None and drawn.exists()
    state = runtime.initial_state()

    def policy(seen: Observation) -> np.ndarray:
        nonlocal state
        action, state = runtime.step(seen, state)
        return action

    assert fly(99, policy)[1] < 0.5 * fly(99, lambda seen: np.zeros(2))[1]
