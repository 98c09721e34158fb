"""The overlay of where the policy looks: right, rare, beside the control loop, and harmless when it
fails."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import CompressedImage, JointState

from liquid_control.deploy.saliency import VisualBackProp
from liquid_control.model.model_file import read_model
from liquid_control.perception.observer import preprocess
from liquid_control.report.heat_overlay import lay_over
from liquid_control.ros import conversions, images, qos
from liquid_control.ros.saliency import WIDTH, SaliencyThread

RATE = 10.0
PICTURE = np.random.default_rng(4).integers(0, 256, (240, 640, 3), np.uint8)


def waited_for(condition, patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def watched(model):
    """Starts a saliency thread that keeps what it publishes, and ends it."""
    started = []

    def start(publish):
        started.append(SaliencyThread(read_model(model), RATE, publish))
        return started[-1]

    yield start
    for thread in started:
        thread.close()


def test_an_overlay_is_of_the_latest_picture_and_on_another_thread(watched, model):
    held, seen = threading.Event(), []

    def publish(stamp, overlay):
        seen.append((stamp, overlay, threading.get_ident()))
        held.wait(20.0)

    thread = watched(publish)
    thread.offer(1, PICTURE)
    waited_for(lambda: seen)
    for stamp in range(2, 50):  # it is still busy with the first: none of these waits
        thread.offer(stamp, PICTURE[:, ::-1])
    held.set()
    waited_for(lambda: len(seen) == 2)
    assert [stamp for stamp, *_ in seen] == [1, 49]
    config = read_model(model).preprocess
    for (_, overlay, _), picture in zip(seen, (PICTURE, PICTURE[:, ::-1]), strict=True):
        expected = lay_over(
            picture, VisualBackProp.load(model).saliency(preprocess(picture, config)), config, WIDTH
        )
        np.testing.assert_array_equal(overlay, expected)
    assert threading.get_ident() not in {thread for *_, thread in seen}


def test_it_keeps_to_its_rate_and_ends(watched):
    times = []
    thread = watched(lambda stamp, overlay: times.append(time.monotonic()))
    began = time.monotonic()
    while len(times) < 4:
        thread.offer(len(times), PICTURE)
        time.sleep(0.002)
    assert times[-1] - began >= 3 / RATE - 0.05
    thread.close()
    count = len(times)
    thread.offer(99, PICTURE)
    time.sleep(2.5 / RATE)
    assert len(times) == count


def test_a_failure_is_counted_and_the_next_one_succeeds(watched):
    seen = []

    def publish(stamp, overlay):
        if stamp == 1:
            raise RuntimeError("no context")
        seen.append(stamp)

    thread = watched(publish)
    thread.offer(1, PICTURE)
    waited_for(lambda: thread.failures == 1)
    thread.offer(2, np.zeros((4, 4, 3), np.uint8))  # smaller than the policy's own
    waited_for(lambda: thread.failures == 2)
    thread.offer(3, PICTURE)
    waited_for(lambda: seen)
    assert seen == [3] and thread.published == 1


def test_a_driving_node_publishes_overlays_and_neurons_without_torch(
    start_for_all, model, probe, libraries
):
    node = start_for_all("policy_node", model=model, publish_neurons=True, saliency_rate=RATE)
    overlays, neurons = (
        probe.listen(CompressedImage, "policy_node/saliency"),
        probe.listen(JointState, "policy_node/neurons"),
    )
    proposals, sent = probe.listen(TwistStamped, "proposal"), set()

    def drive():
        message = images.image_message(PICTURE)
        message.header = conversions.header(time.time_ns())
        sent.add(conversions.stamp_ns(message.header.stamp))
        probe.send("camera/image_raw", message, qos.CAMERA)
        probe.spin(0.05)

    def heard():
        drive()
        return len(overlays) >= 2 and neurons and proposals

    waited_for(heard, 30.0)
    message, _ = overlays[-1]
    assert conversions.stamp_ns(message.header.stamp) in sent and message.format == "jpeg"
    decoded = cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (120, WIDTH, 3) and decoded.std() > 1
    assert "torch" not in libraries(node)
