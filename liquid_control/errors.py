"""The error tree. Every class builds its own message: what was got, what was expected, what to
do."""

from __future__ import annotations

import reprlib

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother = 3, 300, 300
_BRIEF.maxdict, _BRIEF.maxlist, _BRIEF.maxtuple, _BRIEF.maxset = 20, 20, 20, 20


def brief(value: object) -> str:
    """A value as a message shows it. Never long, and never refused as Python refuses to write out a
    whole number of 5,000 digits: a few lines of YAML can stand for more text than memory holds."""
    try:
        return _BRIEF.repr(value)
    except ValueError:
        return f"a {type(value).__name__} of too many digits"


class LiquidControlError(Exception):
    """Base of all errors that this package raises on purpose. They can be sent between
    processes."""

    def __reduce__(self) -> tuple:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[LiquidControlError], arguments: tuple, values: dict) -> LiquidControlError:
    """The error again, without its constructor, which takes other arguments than the message."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(values)
    return error


class ConfigError(LiquidControlError):
    """A setting is missing, of the wrong type, out of range or contradicts another."""

    def __init__(self, name: str, got: object, expected: str) -> None:
        super().__init__(f"{name}: got {brief(got)}, expected {expected}")
        self.name, self.got, self.expected = name, got, expected


class ShapeError(LiquidControlError):
    """An array has the wrong shape."""

    def __init__(self, name: str, got: tuple, expected: tuple | str) -> None:
        super().__init__(f"{name}: got shape {tuple(got)}, expected {expected}")
        self.name, self.got, self.expected = name, tuple(got), expected


class ArgumentError(LiquidControlError):
    """An argument is of the wrong type."""

    def __init__(self, name: str, got: str, expected: str) -> None:
        super().__init__(f"{name}: got {got}, expected {expected}")
        self.name, self.got, self.expected = name, got, expected


class TimeError(LiquidControlError):
    """A time step is zero, negative, infinite or NaN."""

    def __init__(self, got: object, expected: str = "finite positive seconds") -> None:
        super().__init__(
            f"dt: got {got}, expected {expected}; "
            "reject duplicate and older stamps first (perception.timeline does)"
        )
        self.got = got


class NotFiniteError(LiquidControlError):
    """An array holds NaN or infinity where only numbers make sense."""

    def __init__(self, name: str, got: float, index: tuple[int, ...]) -> None:
        super().__init__(
            f"{name}: got {got} at {index}, expected finite numbers; "
            "drop or repair the sample, or mask it out"
        )
        self.name, self.got, self.index = name, got, index


class ModelFileError(LiquidControlError):
    """A model directory is missing, incomplete, tampered with or of another format version."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}. {remedy}")
        self.path, self.problem, self.remedy = path, problem, remedy


class ImageError(LiquidControlError):
    """An image message or array cannot be decoded as it claims to be."""

    def __init__(self, problem: str, got: object, expected: object) -> None:
        super().__init__(f"image {problem}: got {got}, expected {expected}")
        self.problem, self.got, self.expected = problem, got, expected


class MissingDependencyError(LiquidControlError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, remedy: str) -> None:
        super().__init__(f"{module} is not installed. {remedy}")
        self.module = module


class DrawingError(LiquidControlError):
    """Pictures of the simulated world cannot be drawn on this machine."""

    def __init__(self, backend: str, problem: object) -> None:
        said = " ".join(str(problem).split())[:200] or type(problem).__name__
        super().__init__(
            f"cannot draw with MUJOCO_GL={backend}: {said}. Unset MUJOCO_GL, set it to egl or "
            "osmesa, or install libosmesa6 or libegl1; liquid-control doctor tries it"
        )
        self.backend = backend


class RecordingError(LiquidControlError):
    """Nothing of a recording can be read."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}. {remedy}")
        self.path, self.problem, self.remedy = path, problem, remedy


class TopicError(LiquidControlError):
    """A topic that the settings name is not in the recording, or is of a type that its role cannot
    be read from."""

    def __init__(self, role: str, got: object, expected: object) -> None:
        super().__init__(f"--topics.{role}: got {got}, expected {expected}")
        self.role, self.got, self.expected = role, got, expected


class FieldError(LiquidControlError):
    """A field that is named is not in a topic's messages, or is no number."""

    def __init__(self, path: object, problem: str, expected: str) -> None:
        super().__init__(f"field {brief(path)}: {problem}, expected {expected}")
        self.path, self.problem, self.expected = path, problem, expected


class AmbiguousTopicError(LiquidControlError):
    """Several topics of a recording could play one role."""

    def __init__(self, role: str, candidates: tuple[str, ...]) -> None:
        listed = ", ".join(candidates)
        super().__init__(
            f"{len(candidates)} topics could be the {role}: {listed}. "
            f"Say which, for example --topics.{role} {candidates[0]}"
        )
        self.role, self.candidates = role, candidates


class MessageError(LiquidControlError):
    """A recorded message cannot be decoded as its type says."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"{kind}: {problem}")
        self.kind, self.problem = kind, problem


class JoystickError(LiquidControlError):
    """A joystick is not there, gone, or another one than expected."""


class DriveError(LiquidControlError):
    """A drive could not start or did not come up in time."""
