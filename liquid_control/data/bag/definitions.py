"""Message definitions: the text that a recording brings, or the known one of that type, made into a decoder."""

from __future__ import annotations

import functools
from collections.abc import Callable

from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from liquid_control.data.bag.cdr import decoder
from liquid_control.errors import MessageError

LONGEST = 2**18  # characters of a definition
STORES = (Stores.ROS2_JAZZY, Stores.LATEST, Stores.ROS2_HUMBLE, Stores.ROS2_FOXY)
_RULE = "=" * 80 + "\n"


@functools.lru_cache(maxsize=256)
def decoder_of(kind: str, encoding: str, text: str) -> Callable:
    """The decoder of message type `kind` by its definition `text` in `encoding` ('ros2msg', 'ros2idl', or '' for none).

    Types that the text does not define are looked up among the known ones. Raises MessageError where neither knows the type.
    """
    fields = dict(_known())
    if text.strip():
        try:
            fields.update(_parsed(kind, encoding, text))
        except Exception as error:  # a damaged or hostile text may fail in any way inside the parser
            if kind not in fields:
                raise MessageError(kind, f"its definition in the recording cannot be read ({type(error).__name__})") from error
    return decoder(kind, fields)


def _parsed(kind: str, encoding: str, text: str) -> dict:
    if len(text) > LONGEST:
        raise MessageError(kind, f"a definition of {len(text)} characters, expected at most {LONGEST}")
    if "idl" not in encoding:
        return get_types_from_msg(text, kind)
    found = {}
    for part in text.split(_RULE) if text.startswith(_RULE) else [text]:
        if part.startswith("IDL: "):
            part = part.split("\n", 1)[1]
        if part.strip():
            found.update(get_types_from_idl(part))
    return found


@functools.cache
def _known() -> dict:
    fields = {}
    for store in reversed(STORES):
        fields.update(get_typestore(store).fielddefs)
    return fields
