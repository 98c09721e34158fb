"""`liquid-control doctor --live`: the start-up check of the nodes that run, out of /diagnostics.

Importing this module needs no ROS; listening does.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Mapping

from liquid_control.errors import MissingDependencyError
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.health.part import Level, Part, Problem, table
from liquid_control.ros.node_processes import EnvironmentVariables

NEEDED = {"settings": "a policy node", "command": "a safety gate"}
"""What must be heard, by a part that it has."""


@dataclasses.dataclass(frozen=True)
class NodeReport:
    """What a node said last."""

    name: str
    level: Level
    message: str
    parts: tuple[Part, ...]


def listen(seconds: float) -> dict:
    """What the nodes of this package say within `seconds`, as `facts`. Raises
    MissingDependencyError without ROS."""
    try:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
    except ImportError as error:
        remedy = "Source a ROS 2 installation: the nodes are heard over ROS"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    from liquid_control.ros import qos
    from liquid_control.ros.health.messages import parts_in, statuses

    latest: dict[str, NodeReport] = {}

    def hear(message: DiagnosticArray) -> None:
        for status in statuses(message):
            latest[status.name] = NodeReport(
                status.name, Level(status.level[0]), status.message, parts_in(status)
            )

    context = Context()
    with EnvironmentVariables(transport(os.environ, shared_memory=True)):
        context.init(args=[])
        try:
            node = Node(
                "liquid_control_doctor",
                context=context,
                enable_rosout=False,
                start_parameter_services=False,
            )
            node.create_subscription(DiagnosticArray, "/diagnostics", hear, qos.STATUS)
            executor = SingleThreadedExecutor(context=context)
            executor.add_node(node)
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                executor.spin_once(timeout_sec=left)
            node.destroy_node()
        finally:
            context.try_shutdown()
    return facts(latest.values(), os.environ.get("ROS_DOMAIN_ID", "0"))


def facts(reports: Iterable[NodeReport], domain: str) -> dict:
    """Plain data for JSON: {"healthy", "domain", "missing": what was not heard, "nodes"}. Healthy:
    policy and gate are heard, and all that is heard is OK."""
    nodes = [_plain(report) for report in sorted(reports, key=lambda one: one.name)]
    known = {part["name"] for node in nodes for part in node["parts"]}
    missing = [name for part, name in NEEDED.items() if part not in known]
    right = all(node["level"] == Level.OK.name for node in nodes)
    return {"healthy": right and not missing, "domain": domain, "missing": missing, "nodes": nodes}


def text(found: Mapping) -> str:
    """The result of `listen` for people."""
    lines = []
    for node in found["nodes"]:
        lines += [f"{node['name']}  {node['level']}  {node['message']}"]
        if node["parts"]:
            lines += [table([_part(part) for part in node["parts"]]), ""]
    heard = "other nodes of this package are" if found["nodes"] else "no node of this package is"
    lines += [
        f"{name} is not heard on /diagnostics; {heard} (ROS_DOMAIN_ID {found['domain']})"
        for name in found["missing"]
    ]
    verdict = "All that was heard is right." if found["healthy"] else "Not all is right; see above."
    return "\n".join([*lines, verdict])


def _plain(report: NodeReport) -> dict:
    parts = [
        {
            "name": part.name,
            "level": part.level.name,
            "facts": dict(part.facts),
            "problems": [
                dataclasses.asdict(problem) | {"level": problem.level.name}
                for problem in part.problems
            ],
        }
        for part in report.parts
    ]
    return dataclasses.asdict(report) | {"level": report.level.name, "parts": parts}


def _part(plain: Mapping) -> Part:
    problems = (
        Problem(**problem | {"level": Level[problem["level"]]}) for problem in plain["problems"]
    )
    return Part(plain["name"], plain["facts"], tuple(problems))
