"""Hostile parameter files, read as the nodes read them: by ROS itself, then declared and checked
group by group."""

from __future__ import annotations

import os
import random
import weakref
from pathlib import Path

from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from liquid_control.config import GateConfig, TimelineConfig, VehicleConfig, WorldConfig
from liquid_control.control.engagement import EngagementConfig
from liquid_control.errors import ConfigError
from liquid_control.ros import parameters
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.joystick import JoystickConfig
from liquid_control.ros.node_parameters import (
    CruiseConfig,
    PolicyNodeConfig,
    SafetyNodeConfig,
    SimNodeConfig,
    StartConfig,
)
from liquid_control.ros.node_processes import EnvironmentVariables, isolated_environment
from liquid_control.stress.cases import Case
from liquid_control.stress.yaml_cases import yaml_text

GROUPS = {
    "safety_node": (
        ("", SafetyNodeConfig),
        ("vehicle.", VehicleConfig),
        ("engagement.", EngagementConfig),
        ("joystick.", JoystickConfig),
        ("gate.", GateConfig),
    ),
    "policy_node": (
        ("", StartConfig),
        ("", PolicyNodeConfig),
        ("timeline.", TimelineConfig),
        ("", CruiseConfig),
    ),
    "sim_node": (("", SimNodeConfig), ("world.", WorldConfig)),
}


class ParameterFiles:
    """One parameter file after another into nodes that declare what the real ones do."""

    def __init__(self, folder: Path) -> None:
        environment, self._claim = (
            isolated_environment()
        )  # unused by others: 100,000 nodes join and leave it
        self.path, self._context = folder / "parameters.yaml", Context()
        # Through Fast DDS's shared memory one node of 65 waits 2 s for a lock when it leaves; the
        # gate has none of it either.
        with EnvironmentVariables(
            environment | transport({**os.environ, **environment}, shared_memory=False)
        ):
            self._context.init(args=[])
            self._node(
                "first", []
            ).destroy_node()  # Fast DDS reads how it is set when a process makes its first
        weakref.finalize(self, self._context.try_shutdown)

    def _node(self, name: str, arguments: list[str]) -> Node:
        return Node(
            name,
            context=self._context,
            cli_args=arguments,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
            allow_undeclared_parameters=False,
        )

    def read(self, rng: random.Random) -> str:
        """A file for one group of one node; what is set must be within its bounds, whatever the
        file said."""
        name = rng.choice(list(GROUPS))
        prefix, kind = rng.choice(GROUPS[name])
        names = [
            *(prefix + field for field in kind.__dataclass_fields__),
            "unknown",
            "use_sim_time",
            "qos_overrides",
            "",
        ]
        self.path.write_bytes(
            yaml_text(
                rng, names, (rng.choice(("/**", "/**", name, "/other", "/*")), "ros__parameters")
            )
        )
        try:
            node = self._node(name, ["--ros-args", "--params-file", str(self.path)])
        except RuntimeError as error:  # rcl's: what a node's main says and ends with
            return f"refused by ROS ({type(error).__name__})"
        except ParameterException as error:  # use_sim_time of another type
            return f"refused by rclpy ({type(error).__name__})"
        try:
            found = parameters.declare(node, kind(), prefix, fixed=rng.random() < 0.5)
        except ConfigError as error:
            return f"ConfigError {error.name.split('.')[0]}"
        finally:
            node.destroy_node()
        kind(
            **{name: getattr(found, name) for name in kind.__dataclass_fields__}
        )  # within its bounds, or ConfigError
        return "parameters" if found != kind() else "defaults"


def parameter_file(folder: Path) -> Case:
    """Makes the cases of an empty folder."""
    return ParameterFiles(folder).read
