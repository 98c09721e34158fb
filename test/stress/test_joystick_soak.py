"""What the soak of joysticks makes of its times; the nodes themselves are tested in test/ros."""

from __future__ import annotations

import json
import math

import pytest

from liquid_control.errors import ConfigError
from liquid_control.stress.processes import joystick
from liquid_control.stress.processes.joystick import CASES, VERB, JoystickSoakSettings


def test_each_loss_is_held_against_its_time_and_one_that_never_ends_is_none():
    times = {name: [case.within - 0.01] * 3 for name, case in CASES.items()}
    good = joystick._summary(times)
    assert VERB.succeeded(good) and good["tries"] == good["in_time"] == 3 * len(CASES)
    for wrong in (CASES["repeated"].within + 0.01, math.inf):
        facts = joystick._summary({**times, "repeated": [0.1, wrong, 0.1]})
        assert not VERB.succeeded(facts) and facts["in_time"] == facts["tries"] - 1
        assert facts["cases"]["repeated"]["in_time"] == 2
        json.loads(json.dumps(facts), parse_constant=pytest.fail)
        assert "2 of 3 within 0.2 s" in VERB.show(facts)


class Rig:
    """Stands in for the nodes."""

    def __init__(self, ended: float | None, again: int) -> None:
        self.ended, self.again, self.calls = ended, again, []

    def __getattr__(self, name):
        answers = {"lose": 10.0, "await_end": self.ended, "commands_within": self.again}
        return lambda *given: self.calls.append(name) or answers.get(name)


@pytest.mark.parametrize(
    "ended, again, seconds", [(10.15, 0, 0.15), (None, 0, math.inf), (10.15, 3, math.inf)]
)
def test_a_vehicle_that_is_driven_again_was_not_taken_over(ended, again, seconds):
    rig = Rig(ended, again)
    assert joystick._lose(rig, "silent") == pytest.approx(seconds)
    assert rig.calls == ["drive", "lose", "await_end", "commands_within", "restore"]


def test_a_case_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="got 'unplugged', expected of repeated, silent"):
        JoystickSoakSettings(only=("unplugged",))
