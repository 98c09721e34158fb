"""How Fast DDS is set: our choice where the user made none, his own otherwise."""

import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from liquid_control.ros import dds_transport
from liquid_control.ros.dds_transport import PROFILES, TRANSPORTS, profile, transport


def chosen(shared_memory: bool, **user: str) -> dict[str, str]:
    """What is set then, where a user has set these; files by their names."""
    environment = user | transport(user, shared_memory)
    return {
        name: value.rpartition("/")[2]
        for name, value in environment.items()
        if name != "ROS_DISTRO"
    }


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [("kilted", PROFILES[0]), ("jazzy", PROFILES[1]), ("humble", PROFILES[1])],
)
def test_pictures_go_through_memory_and_the_gate_shares_none(distribution, variable):
    assert chosen(True, ROS_DISTRO=distribution) == {variable: "shared_memory.xml"}
    assert chosen(False, ROS_DISTRO=distribution) == {variable: "network.xml"}


@pytest.mark.parametrize(("rclpy", "variable"), [("9.1.2", PROFILES[0]), ("7.1.6", PROFILES[1])])
def test_without_a_sourced_ros_the_installed_rclpy_says_which_fast_dds(
    rclpy, variable, monkeypatch
):
    monkeypatch.setattr(dds_transport, "version", lambda package: rclpy)
    assert chosen(True) == {variable: "shared_memory.xml"}


def test_on_this_machine_alone_the_gate_shares_none_either():
    for shared_memory, file in (
        (True, "shared_memory_localhost.xml"),
        (False, "network_localhost.xml"),
    ):
        given = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        assert chosen(shared_memory, ROS_DISTRO="kilted", **given) == {
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
            PROFILES[0]: file,
        }
        assert chosen(shared_memory, ROS_DISTRO="kilted", ROS_LOCALHOST_ONLY="1") == {
            "ROS_LOCALHOST_ONLY": "0",
            PROFILES[0]: file,
        }


def test_a_users_choice_stands(tmp_path):
    for shared_memory in (True, False):
        for given in (
            {TRANSPORTS: "LARGE_DATA"},
            {PROFILES[0]: "own.xml"},
            {PROFILES[1]: "own.xml"},
        ):
            assert chosen(shared_memory, **given) == given


def test_the_gate_shares_no_memory_although_the_profile_enables_it_for_all_nodes(tmp_path):
    """One export for every terminal is what the README says; colcon may have linked the file."""
    linked = tmp_path / "linked.xml"
    linked.symlink_to(profile("shared_memory"))
    given = {"ROS_DISTRO": "kilted", PROFILES[0]: str(linked)}
    assert chosen(False, **given) == {PROFILES[0]: "network.xml"}


def test_nothing_is_chosen_where_the_files_are_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(dds_transport, "shared_folders", lambda name: [tmp_path / name])
    assert chosen(False) == chosen(True) == {}


@pytest.mark.parametrize(
    ("name", "kinds"), [("shared_memory", ["SHM", "UDPv4"]), ("network", ["UDPv4"])]
)
@pytest.mark.parametrize("reach", ["", "_localhost"])
def test_files_name_the_transports(name, kinds, reach):
    root, space = xml.parse(profile(name + reach)).getroot(), {"dds": "http://www.eprosima.com"}
    assert [
        address.text for address in root.iterfind(".//dds:interfaceWhiteList/dds:address", space)
    ] == (["127.0.0.1"] if reach else [])
    assert [
        kind.text for kind in root.iterfind(".//dds:transport_descriptor/dds:type", space)
    ] == kinds
    assert root.find(".//dds:useBuiltinTransports", space).text == "false"


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET"])
@pytest.mark.parametrize("node", ["safety_node", "sim_node"])
def test_real_nodes_share_what_they_should(node, reach, probe, tmp_path):
    """Fast DDS tells of what it does not understand on the process's output, and goes on with
    something else."""
    said, name = tmp_path / "said.txt", f"{node}_of_{reach.lower()}"
    environment = {
        name: value for name, value in os.environ.items() if name not in (TRANSPORTS, *PROFILES)
    }
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = reach
    command = [
        sys.executable,
        "-m",
        f"liquid_control.ros.{node}",
        "--ros-args",
        "-r",
        f"__node:={name}",
        "-r",
        "__ns:=/alone",
    ]
    with (
        open(said, "wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment) as running,
    ):
        try:
            probe.until(lambda: name in probe.get_node_names(), f"{name} to be found", 60.0)
            shares = "/dev/shm/fast" in Path(f"/proc/{running.pid}/maps").read_text(
                encoding="utf-8"
            )
        finally:
            running.terminate()
    text = said.read_text()
    assert running.returncode == 0, text
    assert not [
        line
        for line in text.splitlines()
        if "XML" in line or "Error" in line or "FASTDDS" in line or "FASTRTPS" in line
    ], text
    assert shares == (node == "sim_node")
