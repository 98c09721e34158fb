"""ROS's launch actions of what `launching` has checked. The only module that uses ROS's launch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from liquid_control.errors import ConfigError
from liquid_control.ros import conversions, parameters
from liquid_control.ros.exit_codes import FAILED_START
from liquid_control.ros.launch_arguments import Argument
from liquid_control.ros.launching import NodeStart, refuse_unknown
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.node_processes import localhost_only
from liquid_control.ros.undeclared import judge


def describe(
    file: str, arguments: Mapping[str, Argument], start: Callable[[dict[str, str]], list]
) -> list:
    """The actions of a launch file: its arguments, and `start`, which gets their values by name
    and returns the actions that follow from them. What it raises ends the launch before any."""

    def follow(context) -> list:
        refuse_unknown(sys.argv[1:], file, arguments)
        given = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        pushed = context.launch_configurations.get("ros_namespace", "")
        if not given["namespace"].startswith("/"):
            given["namespace"] = f"{pushed}/{given['namespace']}"
        return start(given)

    declared = [
        DeclareLaunchArgument(
            name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) if argument.choices else None,
        )
        for name, argument in arguments.items()
    ]
    return [*declared, OpaqueFunction(function=follow)]


def refuse_parameters(start: NodeStart) -> None:
    """Raises ConfigError for parameters with which the node would refuse to start, and for a launch
    argument that a parameter file would override; MissingDependencyError for a type of message that
    is not installed."""
    judge(start.executable, start.full_name, start.parameters, start.sections)
    configs = parameters.read(NODES[start.executable], start.parameters)
    for name, value in start.values.items():
        if start.parameters[name] != value:
            raise ConfigError(
                f"launch argument for {name}",
                value,
                f"no section /** with another one ({start.parameters[name]!r}) in a file after a "
                f"section {start.full_name}, which it overrides",
            )
    for config in configs:
        for name in {"command_type", "proposal_type"} & vars(config).keys():
            conversions.steering_type(getattr(config, name))


def here_only() -> list:
    """Restricts the nodes of a launch file with the argument `localhost` to this machine."""
    wanted = IfCondition(LaunchConfiguration("localhost"))
    return [
        SetEnvironmentVariable(name, value, condition=wanted)
        for name, value in localhost_only().items()
    ]


def gate(start: NodeStart) -> Node:
    """The safety gate; without it nothing goes on."""
    return _node(start, on_exit=lambda event, context: _end(event, context, start, always=True))


def policy(start: NodeStart) -> Node:
    """The policy. When it cannot start, the launch ends; when it dies in motion, the gate stays and
    stops the vehicle."""
    return _node(start, on_exit=lambda event, context: _end(event, context, start))


def recorder(start: NodeStart) -> Node:
    """The recorder. When it cannot start, the launch ends; the others go on without it."""
    return _node(start, on_exit=lambda event, context: _end(event, context, start))


def page(start: NodeStart) -> Node:
    """A page or joystick; the others go on without it, and the gate as its dead-man says."""
    return _node(start, on_exit=lambda event, context: _end(event, context, start))


def world(start: NodeStart) -> Node:
    """The simulated vehicle; without it nothing goes on."""
    return _node(start, on_exit=lambda event, context: _end(event, context, start, always=True))


def player(words: list[str]) -> ExecuteProcess:
    """The process that plays a recording; the launch ends with it."""
    return ExecuteProcess(cmd=words, output="screen", on_exit=_end_replay)


def _node(start: NodeStart, **options) -> Node:
    refuse_parameters(start)
    values = {
        name: ParameterValue(value, value_type=type(value)) for name, value in start.values.items()
    }
    return Node(
        package="liquid_control",
        executable=start.executable,
        name=start.executable,
        namespace=start.namespace,
        parameters=[*start.files, *([values] if values else [])],
        remappings=list(start.topics.items()),
        output="screen",
        **options,
    )


def _end(event, context, start: NodeStart, always: bool = False) -> list | None:
    """After a node ended: ends the launch with an error after a failed start, and quietly where
    nothing goes on without the node."""
    if context.is_shutdown:
        return None
    if event.returncode == FAILED_START:
        raise RuntimeError(f"{start.full_name} did not start; its reason is above")
    return [Shutdown(reason=f"{start.full_name} has ended")] if always else None


def _end_replay(event, context) -> list | None:
    if context.is_shutdown:
        return None
    if event.returncode:
        raise RuntimeError("the recording could not be played; the reason is above")
    return [Shutdown(reason="the recording has ended")]
