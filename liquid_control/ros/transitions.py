"""Transitions of a lifecycle node that either happen or leave everything as it was."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode

from liquid_control.errors import LiquidControlError


def attempt(
    node: LifecycleNode, name: str, work: Callable[[contextlib.ExitStack], None]
) -> contextlib.ExitStack | None:
    """Does `work`, which registers on the stack how to undo each of its steps. Returns the stack;
    None after an exception, which is logged, and after which the steps that were done are undone.

    rclpy takes an exception of a transition for an error, logs nothing, and does not undo.
    """
    with contextlib.ExitStack() as undo:
        try:
            work(undo)
            return undo.pop_all()
        except LiquidControlError as error:
            node.get_logger().error(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001  whatever it is, the node goes on without it
            where = traceback.extract_tb(error.__traceback__)[-1]
            node.get_logger().error(
                f"{name}: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            )
    return None


def release(node: LifecycleNode, name: str, undo: contextlib.ExitStack) -> None:
    """Undoes what `attempt` did. What fails is logged, and the rest is undone all the same."""
    try:
        undo.close()
    except Exception as error:  # noqa: BLE001  after an error the node would be in no state
        node.get_logger().error(f"{name}: {type(error).__name__}: {error}")


def refuse_impossible(node: LifecycleNode) -> None:
    """Makes the node's service refuse a transition that its state does not have. rclpy of Jazzy and
    Humble raises there, and the exception would end the node."""

    def refusing(answer: Callable) -> Callable:
        def answer_or_refuse(request, response):
            try:
                return answer(request, response)
            except RuntimeError as error:  # rclpy's class for it has no public name
                node.get_logger().error(f"change_state: {' '.join(str(error).split())}")
                response.success = False
                return response

        return answer_or_refuse

    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = refusing(service.callback)
