"""The golden drive with an adaptation that has nothing in use, to the last bit. Off is the policy's
runtime itself (`test/ros/test_adapting.py`)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from liquid_control.adaptation.adapter import AdaptedRuntime, Driver
from liquid_control.adaptation.settings import MODES, AdaptationConfig
from liquid_control.config import VehicleConfig
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.open_loop import replay
from liquid_control.model.installed import find_model

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "bags" / "s_bend"


@pytest.mark.parametrize("driver", [Driver.NONE, Driver.POLICY])
def test_nothing_in_use_changes_no_bit_of_the_golden_drive(driver):
    policy = OnnxRuntime.load(find_model("lane_keeper"))
    adapted = {
        mode: AdaptedRuntime(policy, AdaptationConfig(mode), VehicleConfig()) for mode in MODES
    }
    for one in adapted.values():
        one.drives(driver, 0)
    logs = replay({"policy": policy, **adapted}, GOLDEN)
    expected, *others = (dataclasses.astuple(log.issued) for log in logs)
    assert len(others) == len(MODES)
    for other in others:
        for mine, theirs in zip(expected, other, strict=True):
            assert np.asarray(mine).tobytes() == np.asarray(theirs).tobytes()
