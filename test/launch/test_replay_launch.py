"""What replay.launch.py makes of its arguments: the words of `ros2 bag play`, and topics that no
vehicle obeys."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import yaml

from liquid_control.errors import ConfigError
from liquid_control.ros import launching
from liquid_control.ros.launch_arguments import REPLAY

BAG = Path(__file__).resolve().parents[1] / "golden" / "bags" / "s_bend"
DEFAULTS = {name: argument.default for name, argument in REPLAY.items()}


def replayed(**arguments: str):
    return launching.replay(DEFAULTS | {"bag": str(BAG)} | arguments)


def played(**arguments: str) -> argparse.Namespace:
    """The player's command, as Humble's `ros2 bag play` takes it apart."""
    _, _, command, _ = replayed(**arguments)
    assert command[:3] == ["ros2", "bag", "play"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("bag")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--topics", nargs="+")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--clock", type=float, nargs="?", const=40, default=0)
    parser.add_argument("--disable-keyboard-controls", action="store_true")
    return parser.parse_args(command[3:])


@pytest.fixture
def bag(tmp_path) -> str:
    """A recording that does not list its topics."""
    (tmp_path / "monday").mkdir()
    (tmp_path / "monday" / "monday_0.db3").touch()
    return str(tmp_path / "monday")


def test_only_what_sensors_said_is_played(bag):
    arguments = played(bag=bag)
    assert arguments.bag == bag and arguments.clock == 100 and arguments.rate == 1.0
    assert not arguments.loop
    assert arguments.topics == ["/camera/image_raw/compressed", "/imu/data", "/odom"]


@pytest.mark.parametrize(
    "transport, topic", [("raw", "/front/image"), ("compressed", "/front/image/compressed")]
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_recording_s_topics_are_requested(bag, transport, topic, slash):
    topics = {"image": f"{slash}front/image", "imu": f"{slash}imu", "odom": f"{slash}wheels"}
    given = {"bag": bag, "image_transport": transport, "loop": "true", "rate": "0.5"}
    arguments = played(**topics, **given)
    assert arguments.topics == [topic, "/imu", "/wheels"]
    assert arguments.loop and arguments.rate == 0.5
    gate, policy, _, _ = replayed(**topics, **given, namespace="car1")
    assert policy.topics["camera/image_raw"] == "/front/image"
    assert policy.topics["imu/data"] == "/imu"
    assert gate.topics["odom"] == policy.topics["odom"] == "/wheels"


def test_the_nodes_live_by_the_recording_s_clock():
    gate, policy, _, _ = replayed()
    assert gate.values["use_sim_time"] is policy.values["use_sim_time"] is True
    assert policy.values["image_transport"] == "compressed"


def test_the_vehicle_s_memory_of_a_stop_is_left_alone(tmp_path):
    own = tmp_path / "vehicle.yaml"
    own.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"state_folder": "/var/lib"}}}))
    for arguments in ({}, {"params": str(own)}):
        gate, _, _, _ = replayed(**arguments)
        assert gate.parameters["state_folder"] == "none"


@pytest.mark.parametrize("namespace", ["", "car1"])
def test_neither_commands_nor_proposals_reach_a_vehicle_without_a_request(namespace):
    gate, policy, _, _ = replayed(namespace=namespace)
    assert gate.topics["command"] == "replay/command"
    assert gate.topics["proposal"] == policy.topics["proposal"] == "replay/proposal"
    assert gate.topics["policy_health"] == policy.topics["policy_health"] == "replay/policy_health"
    gate, _, _, _ = replayed(namespace=namespace, command="command")
    assert gate.topics["command"] == "command"


@pytest.mark.parametrize(
    "argument, value",
    [
        ("delay", "soon"),
        ("delay", "-1"),
        ("delay", "nan"),
        ("delay", "inf"),
        ("delay", ""),
        ("rate", "0"),
        ("rate", "fast"),
        ("rate", "-1.0"),
        ("bag", "/nowhere"),
        ("bag", ""),
        ("use_sim_time", "maybe"),
        ("loop", "maybe"),
        ("localhost", "maybe"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(argument, value):
    with pytest.raises(ConfigError, match=f"^{argument}: got '{value}', expected "):
        replayed(**{argument: value})


def test_the_delay_is_in_seconds():
    assert [replayed(delay=delay)[3] for delay in ("0", "2.5", "1e1")] == [0.0, 2.5, 10.0]


def test_a_recording_without_the_pictures_is_refused_with_its_topics(tmp_path, bag):
    with pytest.raises(ConfigError, match="got '/camera/image_raw', expected .*/compressed.*/odom"):
        replayed(image_transport="raw")
    (tmp_path / "monday" / "metadata.yaml").write_text(yaml.safe_dump({"version": 5}))
    assert played(bag=bag).bag == bag, "a list of topics that cannot be read refuses nothing"
    with pytest.raises(ConfigError, match="^bag: got "):
        replayed(bag=str(tmp_path))
    assert played(bag=f"{bag}/monday_0.db3").bag.endswith(".db3")
