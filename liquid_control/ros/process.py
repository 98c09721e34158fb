"""The main of every node: start, spin on one thread, end quietly."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from liquid_control.errors import LiquidControlError
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.exit_codes import CRASHED, ENDED, FAILED_START
from liquid_control.system.service import Service

PATIENCE = 4.0
"""Seconds that a node gets to end, fewer than `ros2 launch` gives it. Fast DDS 3.2 may
deadlock if another participant joins or leaves at the same moment: 4 of 8,415 did so, with others
that joined and left several times a second (doc/safety.md).
"""


def run(
    make_node: Callable[[], Node],
    loop: Callable[[Node, SingleThreadedExecutor], int | None] | None = None,
    shared_memory: bool = True,
) -> int:
    """Makes a node and spins it until it is stopped, or runs `loop`, which may return an exit code.
    Returns the exit code, one of `exit_codes`. `shared_memory`: whether Fast DDS may use it, where
    the user does not say.

    Ctrl-C and SIGTERM, any number of them, end it without a traceback. One that cannot end in
    `PATIENCE` leaves with 1, and says where it was.
    """
    node = executor = half = None
    interruptible, service = True, Service(os.environ, os.getpid())

    def on_interrupt(signum: int, frame: object) -> None:
        if interruptible:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, on_interrupt)  # rclpy calls it after its own
    os.environ.update(transport(os.environ, shared_memory))
    try:
        rclpy.init()
        interruptible = False  # rclpy ends the context, and so the node, as it does at SIGTERM; a
        # terminal and `ros2 launch` both signal, and an exception at the second one breaks the end
    except RuntimeError as error:  # rcl's errors are, and their classes have no public name
        print(f"{' '.join(str(error).split())}", file=sys.stderr)
        return FAILED_START
    except KeyboardInterrupt:
        return ENDED
    try:
        node = make_node()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if service.period:  # on the executor's thread: it is what may hang
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            node.create_timer(service.period, service.alive, clock=steady)
        service.ready()
        gc.collect()
        gc.freeze()  # what start-up made stays; later collections look only at what a callback made
        return (loop(node, executor) if loop else executor.spin()) or ENDED
    except ExternalShutdownException:
        pass
    except (LiquidControlError, ParameterException) as error:
        print(f"{error}", file=sys.stderr, flush=True)
        if node is None and isinstance(error, ParameterException):
            os._exit(FAILED_START)  # rclpy's node is not whole: Fast DDS may crash over its parts
        if node is None:
            half = _half_made(error)
        return FAILED_START if node is None else CRASHED
    except Exception:
        if rclpy.ok():
            traceback.print_exc()
            return FAILED_START if node is None else CRASHED
        # Stopped during a callback: the signal handler shut the context down, and publishing
        # failed.
    finally:
        service.stopping()
        faulthandler.dump_traceback_later(
            PATIENCE, exit=True, file=2
        )  # in a separate thread, which does not need the GIL
        if node is not None:
            node.destroy_node()
        if half is not None:
            Node.destroy_node(half)  # its own would look for what it does not have yet
        node = executor = half = None
        gc.unfreeze()
        gc.collect()  # frees a lifecycle node's participant and its shared memory
        rclpy.try_shutdown()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own end takes some milliseconds
        faulthandler.cancel_dump_traceback_later()
    return ENDED


def _half_made(error: Exception) -> Node | None:
    """The node whose constructor raised this. Left to Python, its parts go in no order, and Fast
    DDS may crash over them."""
    found = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
    return next((one for one in found if isinstance(one, Node)), None)
