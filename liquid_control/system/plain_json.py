"""Any value as JSON can hold it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping


def plain(value: object) -> object:
    """Dataclasses as mappings, numpy numbers and arrays as plain ones, anything to iterate over as
    a list, a number that is not finite as null, anything else as its text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
