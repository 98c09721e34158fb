"""`liquid-control operate`: the operator's page for nodes that run already, in a process of its
own. Importing this module needs no ROS; serving does."""

from __future__ import annotations

import dataclasses

from liquid_control.config import check, group, text
from liquid_control.errors import DriveError
from liquid_control.ros.exit_codes import ENDED
from liquid_control.ros.operate.seat import HeartbeatConfig
from liquid_control.ros.operate.settings import OperatorNodeConfig
from liquid_control.system.verb import Verb


@dataclasses.dataclass(frozen=True)
class OperateSettings:
    """Serve the operator's page of the robot whose nodes run on this ROS domain, until Ctrl-C."""

    page: OperatorNodeConfig = group(OperatorNodeConfig(), flat=True)
    heartbeat: HeartbeatConfig = group(HeartbeatConfig())
    namespace: str = text("", "namespace of the robot's nodes and topics")
    image: str = text("camera/image_raw", "topic of the camera's pictures")
    odom: str = text("odom", "topic of the odometry")

    def __post_init__(self) -> None:
        check(self)


def operate(settings: OperateSettings) -> dict:
    """Raises DriveError when the page cannot be served; its reason is printed before."""
    from rclpy.parameter import Parameter

    from liquid_control.ros import process
    from liquid_control.ros.operator_node import OperatorNode

    given = dataclasses.asdict(settings.page)
    given |= {f"heartbeat.{k}": v for k, v in dataclasses.asdict(settings.heartbeat).items()}
    topics = {"camera/image_raw": settings.image, "odom": settings.odom}
    moved = [word for name, to in topics.items() if name != to for word in ("-r", f"{name}:={to}")]
    options = {
        "namespace": settings.namespace,
        "parameter_overrides": [Parameter(name, value=value) for name, value in given.items()],
        "cli_args": ["--ros-args", *moved] if moved else [],
    }
    code = process.run(lambda: OperatorNode(**options), OperatorNode.run)
    if code != ENDED:
        raise DriveError("the operator's page ended; the reason is above")
    return {}


VERB = Verb(OperateSettings, operate)
