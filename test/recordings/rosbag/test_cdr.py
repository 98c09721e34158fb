"""Serialised messages: every known type in both byte orders comes out as rosbags put it in; no
bytes do worse than an error."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.interfaces import Nodetype

from liquid_control.errors import MessageError
from liquid_control.recordings.rosbag.cdr import LARGEST_WITH_LISTS, decoder
from liquid_control.recordings.rosbag.definitions import LONGEST, decoder_of

IDL = """module odd_msgs { module msg {
  struct Inner { uint8 flag; double value; };
  struct Thing {
    float number; sequence<double> values; string name; odd_msgs::msg::Inner inner; short pair[2];
  };
}; };"""


BYTES = {"char": "uint8", "byte": "uint8", "octet": "uint8"}


def value(bags, description, rng):
    node, detail = description
    if node == Nodetype.NAME:
        return filled(bags, detail, rng)
    if node == Nodetype.BASE:
        if detail[0] == "string":
            return "straße"[: rng.integers(0, 7)]
        return (
            bool(rng.integers(2))
            if detail[0] == "bool"
            else np.dtype(BYTES.get(detail[0], detail[0])).type(rng.integers(0, 100)).item()
        )
    of, length = detail
    count = length if node == Nodetype.ARRAY else int(rng.integers(0, 4))
    if of[0] == Nodetype.BASE and of[1][0] not in ("string", "wstring"):
        return rng.integers(0, 2 if of[1][0] == "bool" else 100, count).astype(
            BYTES.get(of[1][0], of[1][0])
        )
    return [value(bags, of, rng) for _ in range(count)]


def filled(bags, kind, rng):
    return bags.TYPES.types[kind](
        **{
            name: value(bags, description, rng)
            for name, description in bags.TYPES.fielddefs[kind][1]
        }
    )


def assert_same(bags, sent, got):
    if isinstance(sent, np.ndarray):
        np.testing.assert_array_equal(sent, got)
    elif isinstance(sent, list):
        assert len(sent) == len(got)
        for one, other in zip(sent, got, strict=True):
            assert_same(bags, one, other)
    elif hasattr(sent, "__msgtype__"):
        for name, _ in bags.TYPES.fielddefs[sent.__msgtype__][1]:
            assert_same(bags, getattr(sent, name), getattr(got, name))
    else:
        assert sent == got


def test_every_known_type_in_both_byte_orders(bags):
    rng, read = np.random.default_rng(5), 0
    for kind in bags.TYPES.fielddefs:
        for little_endian in (True, False) * 2:
            sent = filled(bags, kind, rng)
            data = bags.TYPES.serialize_cdr(sent, kind, little_endian=little_endian)
            assert_same(bags, sent, decoder_of(kind, "", "")(data))
            read += 1
    assert read > 600


def test_definitions_in_idl_and_definitions_that_lack_their_parts(bags):
    data = b"\0\1\0\0" + b"".join(
        [
            np.float32(1).tobytes(),
            np.uint32(1).tobytes(),
            np.float64(0.5).tobytes(),
            np.uint32(2).tobytes(),
            b"a\0",
            b"\x07",
            b"\0",
            np.float64(2).tobytes(),
            np.int16([5, 6]).tobytes(),
        ]
    )
    thing = decoder_of("odd_msgs/msg/Thing", "ros2idl", IDL)(data)
    assert (
        thing.number,
        thing.values.tolist(),
        thing.name,
        thing.inner.flag,
        thing.inner.value,
    ) == (1.0, [0.5], "a", 7, 2.0)
    assert thing.pair.tolist() == [5, 6]
    stamped = decoder_of("odd_msgs/msg/Stamped", "ros2msg", "std_msgs/Header header\nuint8 x")
    assert stamped(bytes(4) + bytes(8) + b"\0\0\0\x02a\0\x09").x == 9


def test_arrays_look_into_the_data_and_are_not_copied(bags):
    data = bytes(
        bags.TYPES.serialize_cdr(
            bags.make(bags.COMPRESSED, data=np.arange(200, dtype=np.uint8)), bags.COMPRESSED
        )
    )
    assert np.shares_memory(
        decoder_of(bags.COMPRESSED, "", "")(data).data, np.frombuffer(data, np.uint8)
    )


@functools.cache
def known(kind: str):
    return decoder_of(kind, "", "")


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [
            "sensor_msgs/msg/Imu",
            "sensor_msgs/msg/JointState",
            "sensor_msgs/msg/CompressedImage",
            "nav_msgs/msg/Path",
        ]
    ),
    st.sampled_from([b"\0\1\0\0", b"\0\0\0\0", b"\0\7\0\0", b""]),
    st.binary(max_size=400),
)
def test_no_bytes_do_worse_than_a_message_error(kind, front, data):
    try:
        known(kind)(front + data)
    except MessageError:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "float64[1000000] a\n" * 3 + "garbage here",
        "odd_msgs/Thing again",
        "odd_msgs/Other[4096] a\n"
        + "=" * 80
        + "\nMSG: odd_msgs/Other\nodd_msgs/Third[4096] b\n"
        + "=" * 80
        + "\nMSG: odd_msgs/Third\nuint8 c",
        "odd_msgs/Nothing[4097] a\n" + "=" * 80 + "\nMSG: odd_msgs/Nothing\nuint8 X=1\n",
        "".join(
            f"odd_msgs/T{k}[9] a{k}\n" + "=" * 80 + f"\nMSG: odd_msgs/T{k}\n" for k in range(20)
        )
        + "uint8 c",
        "unheard_msgs/Of it",
        "uint8 a" * LONGEST,
        "import os; os.abort()",
        "wstring a",
    ],
)
def test_definitions_that_ask_for_too_much_or_nothing_are_refused(text):
    with pytest.raises(MessageError):
        decoder_of("odd_msgs/msg/Thing", "ros2msg", text)(bytes(100))


def test_a_message_with_lists_is_not_larger_than_its_objects_may_be(bags):
    with pytest.raises(MessageError, match=f"at most {LARGEST_WITH_LISTS}"):
        known("nav_msgs/msg/Path")(bytes(LARGEST_WITH_LISTS + 8))


def test_an_unknown_type_is_named():
    with pytest.raises(MessageError, match="odd_msgs/msg/Gone: no definition"):
        decoder("odd_msgs/msg/Gone", {})
