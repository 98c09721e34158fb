"""The page in a real browser, on a real gate over real DDS: what its buttons and keys make the
gate do, and what it shows of it."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image
from std_msgs.msg import Bool

from liquid_control.ros import conversions, qos
from liquid_control.stress.browser import Browser, Page, find_chromium
from liquid_control.stress.processes.operator_stage import answers, free_port

if find_chromium() is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)

LARGEST_SPEED = 1.5
PATIENT = {"heartbeat__silent_after": 5.0, "heartbeat__late_after": 5.0, "picture_rate": 5.0}


class Robot:
    """Odometry, pictures and a policy's proposals, sent in a thread of its own: a page that is slow
    to answer must not look like a policy that is."""

    def __init__(self, probe, page: Page, picture) -> None:
        self.probe, self.page, self.picture = probe, page, picture
        self.sees, self.proposes, self._ended = True, False, threading.Event()
        self.commands = probe.listen(TwistStamped, "command")
        self._odometry = probe.create_publisher(Odometry, "odom", qos.STATUS)
        self._proposals = probe.create_publisher(TwistStamped, "proposal", qos.STATUS)
        self._pictures = probe.create_publisher(Image, "camera/image_raw", qos.CAMERA)
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Robot:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._ended.wait(0.03):
            header = conversions.header(time.time_ns())
            odometry, message = Odometry(header=header), TwistStamped(header=header)
            odometry.twist.twist.linear.x = 1.0
            self._odometry.publish(odometry)
            if self.sees:
                self._pictures.publish(self.picture())
            if self.proposes:
                message.twist.linear.x, message.twist.angular.z = 0.8, -0.08
                self._proposals.publish(message)

    def until(self, condition: str, patience: float = 60.0) -> None:
        """Waits for a condition on `text(id)` in the page."""
        text = "const text = (id) => document.getElementById(id).textContent;"
        end = time.monotonic() + patience
        while not self.page.evaluate(f"(() => {{ {text} return {condition}; }})()"):
            assert time.monotonic() < end, f"waited in vain for {condition}: {self.said()}"
            self.live(0.05)

    def live(self, seconds: float) -> None:
        self.probe.spin(seconds)

    def said(self) -> list[str]:
        return [self.page.text(name) for name in ("state", "driver", "reason", "answer")]

    @property
    def latest(self) -> tuple[float, float]:
        """Speed and yaw rate of the latest command."""
        twist = self.commands[-1][0].twist
        return twist.linear.x, twist.angular.z


def test_a_person_engages_takes_over_drives_by_hand_and_stops_in_a_browser(
    start, probe, picture, shot
):
    port = free_port()
    quick = {"engagement__healthy_for": 0.2, "engagement__soft_time": 0.1}
    slow = {"engagement__proposal_stale_after": 1.0, "gate__stale_after": 1.0}
    dead_man = {"engagement__dead_man": "true", "engagement__enable_stale_after": 5.0}
    start(
        "safety_node",
        manual="true",
        engagement__engage="manual",
        gate__max_speed=LARGEST_SPEED,
        **quick,
        **slow,
        **dead_man,
    )
    served = start("operator_node", port=port, hand_speed=10.0, **PATIENT)
    address = f"http://127.0.0.1:{port}/"
    with Browser() as browser, contextlib.ExitStack() as opened:
        probe.until(lambda: answers(port), "the server", patience=60.0)
        page = browser.open(address)
        robot = opened.enter_context(Robot(probe, page, lambda: shot(picture)))
        robot.until("text('state') === 'disengaged'")
        assert page.evaluate("document.getElementById('engage').disabled"), "without control"
        robot.until("text('latency').includes('camera to page')")
        size = "(({width, height}) => [width, height])(document.getElementById('picture'))"
        assert page.evaluate(size) == [320, 160], "the camera's picture is drawn"
        robot.sees = False

        # engaging is refused, with the gate's reason
        page.press("claim")
        robot.until("text('claim') === 'Release control'")
        page.press("engage")
        robot.until("text('answer') !== ''")
        assert page.text("answer").startswith("cannot engage: ")
        assert "no proposal" in page.text("answer")
        assert page.evaluate("document.getElementById('answer').dataset.accepted") == "no"
        robot.until("text('reason').startsWith('Not driving: no proposal')")
        assert not robot.commands
        page.press("record")
        robot.until("text('answer') === 'no recorder_node runs'")

        # the policy drives
        robot.proposes = True
        robot.until("text('reason').includes('waits for an engage request')")
        page.press("engage")
        robot.until("text('state') === 'engaged' && text('driver') === 'driven by the policy'")
        robot.until("text('speed-allowed') === '0.8' && text('angle-allowed') !== '–'")
        assert robot.latest[1] < 0.0

        # a takeover
        page.press("takeover")
        robot.until("text('state') === 'taken over' && text('takeover-word') === 'TAKEN OVER'")
        robot.live(0.2)
        assert robot.latest[0] == 0.0, "the last command is standstill"
        count = len(robot.commands)
        robot.live(0.3)
        assert len(robot.commands) == count

        # another one holds it, too, and Engage does not end that
        probe.send("takeover/joystick", Bool(data=True))
        robot.until("text('reason').includes('taken over (held by joystick_node; it ends there)')")
        page.press("engage")
        robot.until("text('answer').includes('held by: joystick_node')")
        assert len(robot.commands) == count
        probe.send("takeover/joystick", Bool(data=False))
        robot.until("!text('reason').includes('taken over')")

        # by hand, within the gate's limits; the policy still proposes, to the other side
        page.press("by-hand")
        robot.until("text('driver').includes('by hand')")
        page.press("engage")
        robot.until(
            "text('state') === 'engaged' && text('driver') === 'driven by a person by hand'"
        )
        page.key("ArrowUp", down=True)
        page.key("ArrowLeft", down=True)
        robot.until(f"text('speed-allowed') === '{LARGEST_SPEED}'")
        assert robot.latest[1] > 0.0
        page.key("ArrowUp", down=False)
        page.key("ArrowLeft", down=False)
        robot.until("text('speed-allowed') === '0.0'")

        # an emergency stop, latched
        page.press("emergency")
        robot.until("text('state') === 'fault'")
        page.press("engage")
        robot.until("text('answer').includes('acknowledge it first')")
        page.press("acknowledge")
        robot.until("text('state') === 'disengaged'")

        # the server ends while a person drives: the gate takes over; the page is there again
        page.press("engage")
        robot.until("text('state') === 'engaged'")
        served.kill()
        robot.until("text('state') === 'no connection'")
        start("operator_node", port=port, **PATIENT)
        robot.until("text('state') === 'disengaged'")
        assert page.text("driver") == "engage: then a person by hand drives", "not the policy"
        assert page.text("claim") == "Take control", "a new connection drives nothing"

        # a second page watches; the first one is closed
        page.press("claim")
        robot.until("text('claim') === 'Release control'")
        other = browser.open(address)
        page.send("Page.bringToFront")
        robot.page = other
        robot.until("text('claim') !== '' && text('state') !== 'connecting'")
        page.close()
        robot.until("text('state') === 'taken over' && text('claim') === 'Take control'")
        assert "turn ended" in other.text("reason")
