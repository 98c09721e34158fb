"""What the launch files start: nodes with their parameter files, parameters and topics, made from
the launch arguments. Everything is checked before a node starts. Needs no ROS.

Of two values of a parameter the later one holds: those of the package's files, of the user's own
file, and of a launch argument that is not empty.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from liquid_control.errors import ConfigError
from liquid_control.model.installed import find_model
from liquid_control.ros.gate_memory import NOTHING
from liquid_control.ros.launch_arguments import Argument
from liquid_control.ros.parameter_files import Section, merged, read_sections
from liquid_control.ros.steering_types import COMMANDS
from liquid_control.system.installed_data import named_files

WITH_OPERATOR = {
    "safety_node": {
        "manual": True,
        "engagement.engage": "manual",
        "engagement.dead_man": True,
        "engagement.enable_stale_after": 0.2,
    },
    "policy_node": {"saliency_rate": 5.0},
}
TRUTH = {"true": True, "1": True, "false": False, "0": False}
DIMENSIONS = ("vehicle.wheelbase", "vehicle.max_steering_angle")
APART = {
    name: f"replay/{name}"
    for name in ("proposal", "policy_health", "shadow/proposal", "shadow/disagreement")
}
"""Topics of policy and gate in a replay that a vehicle's own nodes must not hear."""
GATE_TOPICS = ("odom", "steering_angle", "command")
"""Topics of the gate that launch arguments name."""
ON_TOPICS = ("image_transport", "split_imu", "proposal_type", "command_type") + (
    "measured_speed.",
    "measured_angle.",
)
"""Parameters of policy and gate that say what is on the topics, or what they begin with."""
NAME = re.compile(r"(~/|/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
"""Of a topic."""


@dataclasses.dataclass(frozen=True)
class NodeStart:
    """A node to start: its executable, which is also its name, its parameter files in the order in
    which they are read, parameters that come after them, and where its topics are."""

    executable: str
    namespace: str
    files: tuple[str, ...]
    values: Mapping[str, object]
    topics: Mapping[str, str]

    @property
    def full_name(self) -> str:
        return _full_name(self.namespace, self.executable)

    @functools.cached_property
    def sections(self) -> list[Section]:
        """Of all files, and of `values` as ROS's launch hands them over."""
        read = [section for file in self.files for section in read_sections(file)]
        return [*read, Section("launch arguments", self.full_name, self.values)]

    @functools.cached_property
    def parameters(self) -> dict[str, object]:
        """All that the node gets."""
        return merged(self.sections, self.full_name)


def drive(given: Mapping[str, str]) -> tuple[NodeStart, NodeStart]:
    """Gate and policy. `given`: the values of `DRIVE`. Raises ConfigError for one that cannot be
    used, ModelFileError for a model that is not there."""
    for model in filter(None, (given["model"], given["shadow"])):
        find_model(model)
    namespace = _namespace(given)
    sections = _read_files(given, namespace, ("safety_node", "policy_node"))
    clock = _chosen(given, use_sim_time=_truth)
    topics = _topics(given, *GATE_TOPICS, "imu", "image")
    safety = NodeStart(
        "safety_node",
        namespace,
        _paths(sections),
        clock | _chosen(given, command_type=str),
        {name: topics[name] for name in GATE_TOPICS},
    )
    policy = NodeStart(
        "policy_node",
        namespace,
        _paths(sections),
        clock
        | _chosen(given, model=str, backend=str, image_transport=str, autostart=_truth)
        | _chosen({"shadow_model": given["shadow"]}, shadow_model=str)
        | _chosen({"adaptation.adapts": given["adaptation"]}, **{"adaptation.adapts": str}),
        {
            "odom": topics["odom"],
            "steering_angle": topics["steering_angle"],
            "imu/data": topics["imu"],
            "camera/image_raw": topics["image"],
            "camera/image_raw/compressed": f"{topics['image']}/compressed",
        },
    )
    return safety, _with_gate_angle(policy, safety)


def _with_gate_angle(policy: NodeStart, gate: NodeStart) -> NodeStart:
    """A policy that adapts gets how far the gate of the same launch steers, unless it is set."""
    name, angle = "adaptation.gate_angle", gate.parameters.get("gate.max_steering_angle")
    adapts = policy.parameters.get("adaptation.adapts", "off") != "off"
    if not adapts or angle is None or name in policy.parameters:
        return policy
    return dataclasses.replace(policy, values={**policy.values, name: angle})


def recorder(
    given: Mapping[str, str], gate: NodeStart, policy: NodeStart, extra_topics: str = ""
) -> tuple[NodeStart, ...]:
    """The recorder of what these two have on their topics, if one is wanted. `given`: the values of
    `RECORD`. `extra_topics`: recorded where the files name none. Raises ConfigError."""
    if given["record"] == "off":
        return ()
    known = {**policy.parameters, **gate.parameters}
    values = {name: value for name, value in known.items() if name.startswith(ON_TOPICS)}
    start = NodeStart(
        "recorder_node",
        gate.namespace,
        gate.files,
        {"record.scope": given["record"], **values},
        {**policy.topics, **gate.topics},
    )
    if extra_topics and "extra_topics" not in start.parameters:
        start = dataclasses.replace(start, values={**start.values, "extra_topics": extra_topics})
    return (start,)


def safety(given: Mapping[str, str]) -> NodeStart:
    """The gate alone. `given`: the values of `SAFETY`. Raises ConfigError."""
    namespace = _namespace(given)
    sections = _read_files(given, namespace, ("safety_node",))
    chosen = _chosen(given, use_sim_time=_truth, command_type=str, proposal_type=str)
    in_files = merged(sections, _full_name(namespace, "safety_node"))
    if given["engage"] or "engagement.engage" not in in_files:
        chosen["engagement.engage"] = given["engage"] or "manual"
    topics = _topics(given, *GATE_TOPICS, "proposal")
    return NodeStart("safety_node", namespace, _paths(sections), chosen, topics)


def with_operator(
    given: Mapping[str, str], gate: NodeStart, *others: NodeStart
) -> tuple[NodeStart, ...]:
    """The nodes, and with `operator:=true` the operator's page in addition, with `joystick:=true`
    the joystick's node, whose driver is the gate's dead-man and may drive by hand. What the
    parameter files say takes precedence. Raises ConfigError."""
    page = {"odom": gate.topics["odom"], "camera/image_raw": given["image"]}
    clock = _chosen(given, use_sim_time=_truth)
    hands = [
        NodeStart(f"{name}_node", gate.namespace, gate.files, clock, topics)
        for name, topics in (("operator", page), ("joystick", {}))
        if _truth(name, given[name])
    ]
    if not hands:
        return (gate, *others)
    changed = [
        dataclasses.replace(node, values={**_unless_said(node), **node.values})
        for node in (gate, *others)
    ]
    return (*changed, *hands)


def _unless_said(node: NodeStart) -> dict[str, object]:
    """What a node's parameters are with an operator's page, as far as nothing sets them."""
    wanted = WITH_OPERATOR.get(node.executable, {})
    return {name: value for name, value in wanted.items() if name not in node.parameters}


def sim(given: Mapping[str, str]) -> tuple[NodeStart, NodeStart, NodeStart]:
    """Gate, policy and world, joined by the same topics and message type. `given`: the values of
    `SIM`. Raises ConfigError, also for a vehicle that is not the world's."""
    _truth("localhost", given["localhost"])
    gate, policy = map(_without_memory, drive(given))
    world = merged(read_sections(named_files("config/vehicles")["simulated"]), gate.full_name)
    for node in (gate, policy):
        for name in DIMENSIONS:
            if node.parameters[name] != world[name]:
                raise ConfigError(
                    f"{name} of {node.executable} (vehicle:=, params:=)",
                    node.parameters[name],
                    f"{world[name]}, the simulated car's, which cannot be changed",
                )
    values = {
        **_chosen(given, seed=_whole),
        "publish_clock": policy.parameters.get("use_sim_time", False),
        "use_sim_time": False,
        "command_type": gate.parameters.get("command_type", COMMANDS[0]),
    }
    topics = {**policy.topics, **gate.topics}
    return gate, policy, NodeStart("sim_node", gate.namespace, gate.files, values, topics)


def replay(given: Mapping[str, str]) -> tuple[NodeStart, NodeStart, list[str], float]:
    """Gate, policy, the command of the player, and the seconds to wait before it. `given`: the
    values of `REPLAY`. Raises ConfigError.

    Neither proposals nor commands are on the topics of a vehicle whose nodes run at the same time.
    """
    given = {**given, **{name: f"/{given[name].lstrip('/')}" for name in ("image", "imu", "odom")}}
    gate, policy = (
        dataclasses.replace(node, topics={**node.topics, **APART}) for node in drive(given)
    )
    gate = _without_memory(gate)
    _truth("localhost", given["localhost"])
    rate = _within(given, "rate", 0.01, 100.0)
    delay = _within(given, "delay", 0.0, 3600.0)
    compressed = given["image_transport"] == "compressed"
    picture = given["image"] + ("/compressed" if compressed else "")
    bag = _recording(given["bag"], picture)
    words = ["ros2", "bag", "play", bag, "--clock", "100", "--disable-keyboard-controls"]
    words += ["--rate", str(rate), *(["--loop"] if _truth("loop", given["loop"]) else [])]
    return gate, policy, [*words, "--topics", picture, given["imu"], given["odom"]], delay


def _without_memory(node: NodeStart) -> NodeStart:
    """Of a gate that commands no vehicle, and a policy whose adaptation is not to be the vehicle's.
    Their names, by which the state is kept, are those of the vehicle's nodes."""
    if node.executable == "safety_node":
        return dataclasses.replace(node, values={**node.values, "state_folder": NOTHING})
    if "adaptation.adapts" not in node.parameters or "adaptation.state_file" in node.parameters:
        return node
    return dataclasses.replace(node, values={**node.values, "adaptation.state_file": NOTHING})


def refuse_unknown(words: Sequence[str], file: str, known: Mapping[str, Argument]) -> None:
    """Refuses arguments of `ros2 launch` that the launch file does not have, which launch itself
    would pass over. `words`: the command line; nothing is refused where it starts another launch
    file, which may include this one."""
    names = [Path(word).name for word in words]
    if Path(file).name not in names:
        return
    for word in words[names.index(Path(file).name) + 1 :]:
        name, separator, value = word.partition(":=")
        if separator and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError("launch argument", word, f"one of {', '.join(sorted(known))}{meant}")


def _namespace(given: Mapping[str, str]) -> str:
    name = given["namespace"].strip("/")
    if name and (name.startswith("~") or not NAME.fullmatch(name)):
        raise ConfigError("namespace", given["namespace"], "a name of ROS, such as car1 or /a/b")
    return f"/{name}" if name else ""


def _full_name(namespace: str, executable: str) -> str:
    return f"{namespace}/{executable}"


def _topics(given: Mapping[str, str], *names: str) -> dict[str, str]:
    for name in names:
        if not NAME.fullmatch(given[name]):
            raise ConfigError(name, given[name], "the name of a topic, such as odom or /car1/odom")
    return {name: given[name] for name in names}


def _chosen(given: Mapping[str, str], **readers: Callable) -> dict[str, object]:
    """The parameters of arguments that are not empty."""
    return {
        name: value if read is str else read(name, value)
        for name, read in readers.items()
        if (value := given[name])
    }


def _truth(name: str, value: str) -> bool:
    if value.lower() not in TRUTH:
        raise ConfigError(name, value, "true or false")
    return TRUTH[value.lower()]


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", value) or int(value) >= 2**63:
        raise ConfigError(name, value, "a whole number from 0 to 2**63 - 1")
    return int(value)


def _within(given: Mapping[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ConfigError(name, given[name], f"a number from {low} to {high}")
    return value


def _read_files(
    given: Mapping[str, str], namespace: str, executables: Sequence[str]
) -> list[Section]:
    """The sections of the parameter files in the order in which they are read. Raises ConfigError
    for a file that is not there, sets nothing for the nodes, or leaves the vehicle's dimensions
    open."""
    ours = named_files("config")
    files = {
        "vehicle": _find("vehicle", given["vehicle"], named_files("config/vehicles")),
        "params": _find("params", given["params"], ours),
    }
    if files["params"].resolve() == ours["drive"].resolve():
        files = dict(reversed(files.items()))  # a preset takes precedence over it
    nodes = [_full_name(namespace, name) for name in executables]
    sections = []
    for argument, path in files.items():
        read = read_sections(path)
        if not any(section.matches(node) for section in read for node in nodes):
            raise ConfigError(
                f"{argument}:={path}",
                f"sections for {', '.join(section.node for section in read) or 'no node'}",
                f"one for {' or '.join(nodes)}, or /**, with ros__parameters below",
            )
        sections += read
    for node in nodes:
        missing = [name for name in DIMENSIONS if name not in merged(sections, node)]
        if missing:
            raise ConfigError(
                f"vehicle:={given['vehicle']}", f"no {' and no '.join(missing)}", "the vehicle's"
            )
    return sections


def _find(argument: str, value: str, presets: Mapping[str, Path]) -> Path:
    """The file that an argument names: a path, or one of the package by its name."""
    path = Path(value).expanduser()
    if path.is_file():
        return path.absolute()
    if value.removesuffix(".yaml") in presets:
        return presets[value.removesuffix(".yaml")]
    there = sorted(each.name for each in path.parent.glob("*.yaml")) if value else []
    expected = f"{' or '.join(presets)}, or a YAML file"
    if there:
        expected += f"; in {path.parent.absolute()} there are {', '.join(there[:10])}"
    near = difflib.get_close_matches(path.stem, [*presets, *there], 1)
    raise ConfigError(argument, value, expected + (f". Did you mean {near[0]}?" if near else ""))


def _paths(sections: Sequence[Section]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(section.path for section in sections))


def _recording(value: str, picture: str) -> str:
    """The path of a recording in which there is a topic of pictures, as far as it lists them."""
    path = Path(value).expanduser()
    parts = [path] if path.is_file() else [*path.glob("*")] if path.is_dir() else []
    if not any({".mcap", ".db3"} & {*part.suffixes} for part in parts):
        expected = "a recording: a folder with .mcap or .db3 files, or such a file"
        raise ConfigError("bag", value, expected)
    topics = _listed_topics(path / "metadata.yaml")
    if topics and picture not in topics:
        expected = f"a topic of {path}: {', '.join(topics)}"
        raise ConfigError("image and image_transport", picture, expected)
    return str(path)


def _listed_topics(metadata: Path) -> list[str]:
    """The topics that a recording's metadata.yaml lists; none where it cannot be read."""
    try:
        content = yaml.safe_load(metadata.read_text(encoding="utf-8"))
        rows = content["rosbag2_bagfile_information"]["topics_with_message_count"]
        return sorted(row["topic_metadata"]["name"] for row in rows)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, ValueError):
        return []
