"""Cameras: told from depth and from other transports by content; 16-bit values in the low end and
video are read as pictures."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from backports import zstd

from liquid_control.errors import AmbiguousTopicError
from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.rosbag.cameras import COMPRESSED, FFMPEG, FOXGLOVE, IMAGE, THEORA
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import Frame

HEIGHT, WIDTH, STEP_NS = 64, 96, 40_000_000


def scene(k: int) -> np.ndarray:
    """(64, 96, 3), smooth, brightest value 255, moving."""
    whole = np.random.default_rng(0).integers(0, 256, (120, 200, 3)).astype(np.uint8)
    whole = cv2.normalize(cv2.GaussianBlur(whole, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)
    picture = np.ascontiguousarray(whole[k : k + HEIGHT, 2 * k : 2 * k + WIDTH])
    picture[0, 0] = 255
    return picture


def raw(bags, stamp, values, encoding):
    values = np.ascontiguousarray(values)
    fields = {"height": HEIGHT, "width": WIDTH, "step": values.nbytes // HEIGHT}
    data = values.reshape(-1).view(np.uint8)
    return bags.make(
        IMAGE, header=bags.header(stamp), encoding=encoding, data=data, is_bigendian=0, **fields
    )


def packed(bags, stamp, data, said):
    data = np.frombuffer(bytes(data), np.uint8)
    return bags.make(COMPRESSED, header=bags.header(stamp), format=said, data=data)


def jpeg(picture) -> bytes:
    return cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()


def topics(bags, name, kind, make, count=12, every=1):
    """Events of one topic; `make`: number and stamp to message, None for no message."""
    events = []
    for k in range(0, count, every):
        stamp = bags.START_NS + k * STEP_NS
        if (message := make(k, stamp)) is not None:
            events.append((stamp + bags.LATE_NS, name, kind, message))
    return events


def recorded(bags, path, *parts):
    return bags.write(path, sorted((e for part in parts for e in part), key=lambda e: e[0]))


def camera_of(path):
    with open_recording(path) as recording:
        return recording.roles["camera"].name


def frames_of(recording):
    return [s for _, s in recording.samples() if isinstance(s, Frame)]


DEPTHS = {
    "16UC1": lambda: np.full((HEIGHT, WIDTH), 900, np.uint16),
    "32FC1": lambda: np.full((HEIGHT, WIDTH), 0.9, np.float32),
}


@pytest.mark.parametrize("encoding", DEPTHS)
def test_distances_are_no_camera_whatever_their_name(bags, tmp_path, encoding):
    colour = topics(bags, "/c/color", IMAGE, lambda k, t: raw(bags, t, scene(k), "rgb8"), every=2)
    aligned = topics(
        bags, "/c/aligned", IMAGE, lambda k, t: raw(bags, t, DEPTHS[encoding](), encoding)
    )
    png = cv2.imencode(".png", DEPTHS["16UC1"]())[1].tobytes()
    files = topics(
        bags, "/c/a/compressed", COMPRESSED, lambda k, t: packed(bags, t, png, "16UC1; png")
    )
    assert camera_of(recorded(bags, tmp_path / "bag", colour, aligned, files)) == "/c/color"


def test_values_of_16_bits_are_the_camera_where_there_is_no_other(bags, tmp_path):
    thermal = topics(
        bags,
        "/thermal",
        IMAGE,
        lambda k, t: raw(bags, t, scene(k)[..., 1] * np.uint16(16), "16UC1"),
    )
    path = recorded(bags, tmp_path / "bag", thermal)
    assert camera_of(path) == "/thermal"


def test_two_cameras_are_still_a_choice(bags, tmp_path):
    parts = [
        topics(bags, name, COMPRESSED, lambda k, t: packed(bags, t, jpeg(scene(k)), "jpeg"))
        for name in ("/cameras/left", "/cameras/right")
    ]
    with pytest.raises(AmbiguousTopicError, match="/cameras/left, /cameras/right"):
        open_recording(recorded(bags, tmp_path / "bag", *parts))


@pytest.mark.parametrize(
    "there, chosen",
    [
        (("", "compressed", "zstd", "theora"), "/camera/image_raw"),
        (("", "other"), "/camera/image_raw"),
        (("compressed", "zstd", "theora"), "/camera/image_raw/compressed"),
        (("zstd", "theora", "h264"), "/camera/image_raw/h264"),
    ],
)
def test_of_the_transports_of_one_camera_the_best_that_can_be_read_is_used(
    bags, tmp_path, there, chosen
):
    packets = {t: data for t, data in video_packets("libx264", 12, {"tune": "zerolatency"})}
    makers = {
        "": (IMAGE, lambda k, t: raw(bags, t, scene(k), "rgb8")),
        "compressed": (COMPRESSED, lambda k, t: packed(bags, t, jpeg(scene(k)), "jpeg")),
        "other": (COMPRESSED, lambda k, t: packed(bags, t, jpeg(scene(k)), "jpeg")),
        "zstd": (COMPRESSED, lambda k, t: packed(bags, t, zstd.compress(bytes(999)), "zstd")),
        "theora": (
            THEORA,
            lambda k, t: bags.make(THEORA, header=bags.header(t), data=np.zeros(9, np.uint8)),
        ),
        "h264": (COMPRESSED, lambda k, t: packed(bags, t, packets[k], "h264")),
    }
    parts = []
    for name in there:
        kind, make = makers[name]
        topic = "/camera/image_raw" + (name and f"/{name}")
        parts.append(topics(bags, topic, kind, make))
    assert camera_of(recorded(bags, tmp_path / "bag", *parts)) == chosen


@pytest.mark.parametrize("kind", ["zstd", "theora"])
def test_a_transport_that_is_not_read_is_named_once(bags, tmp_path, kind):
    data = np.frombuffer(zstd.compress(np.random.default_rng(0).bytes(500)), np.uint8)
    events = topics(
        bags,
        "/camera/image_raw/" + kind,
        COMPRESSED if kind == "zstd" else THEORA,
        lambda k, t: (
            packed(bags, t, zstd.compress(bytes([k]) * 500), "zstd")
            if kind == "zstd"
            else bags.make(THEORA, header=bags.header(t), data=data + np.uint8(k))
        ),
    )
    path = recorded(bags, tmp_path / "bag", events)
    with open_recording(path) as recording:
        assert frames_of(recording) == []
        ((reason, count),) = recording.skipped.items()
    assert count == 12 and kind in reason.lower() and "Record the camera as Image" in reason
    findings = {one["code"]: one for one in inspect_recording(path).facts["findings"]}
    assert "Record the camera as Image" in findings["bad_pictures"]["remedy"]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_values_in_the_low_end_are_scaled_and_named(bags, tmp_path, bits):
    def make(k, stamp):
        grey = scene(k)[..., 1].astype(np.uint32)
        return raw(bags, stamp, (grey * ((1 << bits) - 1) // 255).astype("<u2"), "mono16")

    path = recorded(bags, tmp_path / "bag", topics(bags, "/image", IMAGE, make))
    with open_recording(path) as recording:
        frames = frames_of(recording)
    assert len(frames) == 12
    for k, frame in enumerate(frames):
        assert np.abs(frame.image[..., 0].astype(int) - scene(k)[..., 1]).max() <= 1
    findings = {one["code"]: one["text"] for one in inspect_recording(path).facts["findings"]}
    assert ("low_bits" in findings) == (bits < 16) and "blank_pictures" not in findings
    if bits < 16:
        assert f"use {bits} bits" in findings["low_bits"]
    with open_recording(path, RecordingSettings(picture_bits="16")) as recording:
        dark = frames_of(recording)[3].image[..., 0].astype(int)
    assert np.abs(dark - (scene(3)[..., 1] >> (16 - bits))).max() <= 1


def video_packets(encoder: str, count: int, options: dict, keep=lambda k: True):
    """(number of the picture, packet) in the order of an encoder of `scene`."""
    av = pytest.importorskip("av")
    codec = av.CodecContext.create(encoder, "w")
    codec.width, codec.height, codec.pix_fmt, codec.gop_size = WIDTH, HEIGHT, "yuv420p", 8
    codec.time_base, codec.options = Fraction(1, 25), options
    packets = []
    for k in [*range(count), None]:
        frame = None
        if k is not None:
            frame = av.VideoFrame.from_ndarray(scene(k), format="rgb24")
            frame.pts = k
        packets += [(packet.pts, bytes(packet)) for packet in codec.encode(frame)]
    return [packet for number, packet in enumerate(packets) if keep(number)]


def video_message(bags, kind, encoder, stamp, data):
    said = {"libx264": "h264", "libx265": "hevc"}[encoder]
    header = bags.header(stamp)
    if kind == COMPRESSED:
        return bags.make(COMPRESSED, header=header, format=said, data=data)
    if kind == FFMPEG:
        size = {"width": WIDTH, "height": HEIGHT}
        return bags.make(FFMPEG, header=header, encoding=encoder, data=data, **size)
    return bags.make(FOXGLOVE, timestamp=bags.time(stamp), frame_id="a", format=said, data=data)


def video(bags, path, kind, encoder, options, keep=lambda k: True):
    events = []
    for number, (shown, data) in enumerate(video_packets(encoder, 20, options, keep)):
        stamp = bags.START_NS + shown * STEP_NS
        message = video_message(bags, kind, encoder, stamp, np.frombuffer(data, np.uint8))
        events.append((bags.START_NS + number * STEP_NS + bags.LATE_NS, "/image/v", kind, message))
    return bags.write(path, events)


ORDERS = {
    "in order": ("libx264", {"tune": "zerolatency"}),
    "reordered": ("libx264", {"bf": "2"}),
    "hevc": ("libx265", {"x265-params": "log-level=none"}),
}


@pytest.mark.parametrize("kind", [COMPRESSED, FFMPEG, FOXGLOVE])
@pytest.mark.parametrize("order", ORDERS)
def test_video_gives_each_picture_with_its_own_stamp(bags, tmp_path, kind, order):
    with open_recording(video(bags, tmp_path / "bag", kind, *ORDERS[order])) as recording:
        frames = frames_of(recording)
        assert recording.skipped == {}
        assert sorted(frame.stamp_ns for frame in frames) == [
            bags.START_NS + k * STEP_NS for k in range(20)
        ]
        for frame in frames:
            errors = [np.abs(frame.image.astype(int) - scene(k)).mean() for k in range(20)]
            assert np.argmin(errors) == (frame.stamp_ns - bags.START_NS) // STEP_NS
            assert min(errors) < 6
        again = frames_of(recording)
    assert [f.stamp_ns for f in again] == [f.stamp_ns for f in frames]


def test_video_without_its_beginning_is_read_from_the_next_complete_picture(bags, tmp_path):
    path = video(bags, tmp_path / "bag", FFMPEG, *ORDERS["in order"], keep=lambda k: k > 1)
    with open_recording(path) as recording:
        frames = frames_of(recording)
        assert [(f.stamp_ns - bags.START_NS) // STEP_NS for f in frames] == list(range(8, 20))
        ((reason, count),) = recording.skipped.items()
    assert count == 6 and "depend on packets before them" in reason
