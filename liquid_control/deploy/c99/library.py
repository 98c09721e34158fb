"""Runs a saved policy as the C code that `export --c` writes: numpy in and out, tens of
microseconds a step, no PyTorch and no ONNX Runtime."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.c99.parts import Parts, parts_of
from liquid_control.deploy.c99.source import header, identifier, memory_bytes, source
from liquid_control.deploy.runtime import State, check_batch, is_sound, zero_observation, zero_state
from liquid_control.errors import LiquidControlError, MissingDependencyError, ModelFileError
from liquid_control.model.artefacts import WEIGHTS
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.signals import Observation
from liquid_control.system.files import write_atomically

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-shared", "-fPIC")
NATIVE = "-march=native"
COMPILE_WITHIN = 120.0
"""Seconds that a compiler may take."""
REFUSED = {1: "a time step that is not positive", 2: "a measurement", 3: "the state"}
"""What a step found not finite, by its answer."""


class CompileError(LiquidControlError):
    """The C compiler failed."""


class StepRefusedError(LiquidControlError):
    """A step whose numbers are not finite, before or after it; `answer` of the C code."""

    def __init__(self, answer: int) -> None:
        super().__init__(f"the policy refused a step: {REFUSED.get(answer, answer)} is not finite")
        self.answer = answer


class NativeRuntime:
    """See `Runtime`. `info`: the model that it runs; `library`: the compiled file."""

    def __init__(
        self, info: ModelInfo, cache: str | Path | None = None, flags: tuple[str, ...] = (NATIVE,)
    ) -> None:
        """Compiles the model, or finds in `cache` (default: `cache_folder`) what an earlier call
        compiled for this processor; `flags` are the compiler's besides `FLAGS`.

        Raises ModelFileError, ConfigError for a core without C code, MissingDependencyError without
        a C compiler, CompileError when it fails.
        """
        parts = parts_of(info)
        self.info, self.spec = info, info.spec
        folder = cache_folder() if cache is None else Path(cache)
        self.library = compiled(info, parts, folder, flags)
        step = getattr(ctypes.CDLL(str(self.library)), f"{_name(info)}_step")
        taken = [ctypes.c_void_p] * (parts.has_image + bool(parts.measurements.size))
        step.argtypes = [*taken, ctypes.c_float, *[ctypes.c_void_p] * 3]
        step.restype = ctypes.c_int
        self._step, self._parts, self._memory = step, parts, memory_bytes(parts) // 4
        action, state = self.step(zero_observation(self.spec), self.initial_state())
        if not (np.isfinite(action).all() and is_sound(state, self.spec)):
            raise ModelFileError(
                info.weights_path, "gives no finite action for a black image", "Train it again"
            )

    @classmethod
    def load(cls, directory: str | Path) -> NativeRuntime:
        """Loads a model directory; raises as the constructor does."""
        return cls(read_model(directory))

    @property
    def preprocess(self) -> PreprocessConfig | None:
        return self.spec.image

    def initial_state(self) -> State:
        return zero_state(self.spec)

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`. Raises StepRefusedError for numbers that are not finite, too."""
        image, (array,) = observation.image, self.spec.state
        measurements = np.ascontiguousarray(observation.measurements, np.float32)
        dt = np.array([observation.dt], np.float32)
        check_batch(
            self.spec,
            None if image is None else image[None],
            measurements[None],
            dt,
            {name: one[None] for name, one in state.items()},
        )
        # The state and, behind it, the count of refused steps; memory of this call alone, so that
        # threads may share a runtime.
        after = np.zeros(array.size + 1, np.float32)
        after[:-1] = state[array.name].ravel()
        given = [] if image is None else [np.ascontiguousarray(image)]
        given += [measurements] if self._parts.measurements.size else []
        action = np.zeros(len(self.spec.actions), np.float32)
        memory = np.empty(self._memory, np.float32)
        pointers = [one.ctypes.data for one in (*given, after, memory, action)]
        answer = self._step(*pointers[: len(given)], float(dt[0]), *pointers[len(given) :])
        if answer:
            raise StepRefusedError(answer)
        return action, {array.name: after[:-1].reshape(array.shape)}


def cache_folder() -> Path:
    """Where compiled policies are kept: of this user, in XDG_CACHE_HOME."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "liquid_control" / "native"


def compiled(
    info: ModelInfo, parts: Parts, cache: Path, flags: tuple[str, ...] = (NATIVE,)
) -> Path:
    """The shared library of a model in `cache`: what an earlier call compiled from the same source
    with the same compiler for the same processor, if its bytes are still those, else a new one.

    Raises MissingDependencyError without a C compiler, CompileError when it fails."""
    compiler = find_compiler()
    name, title = _name(info), "compiled by NativeRuntime"
    texts = {
        f"{name}.h": header(name, title, parts, info.spec, info.files[WEIGHTS]),
        f"{name}.c": source(name, title, parts),
    }
    version = _run([*compiler, "--version"]).stdout
    decisive = (
        *texts.values(),
        *compiler,
        version,
        *FLAGS,
        *flags,
        platform.machine(),
        _processor(),
    )
    key = hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:32]
    library, hash_file = cache / f"{name}-{key}.so", cache / f"{name}-{key}.sha256"
    if library.is_file() and hash_file.is_file():
        if hash_file.read_text(encoding="ascii").strip() == _hash(library):
            return library
        warnings.warn(f"{library} is damaged and is compiled again", RuntimeWarning, stacklevel=3)
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="liquid_control_") as folder:
        for file, text in texts.items():
            (Path(folder) / file).write_text(text, encoding="utf-8")
        with write_atomically(library) as path:
            words = [str(Path(folder) / f"{name}.c"), "-o", str(path)]
            made = _run([*compiler, *FLAGS, *flags, *words])
            if made.returncode and flags:  # a compiler that does not know this processor
                made = _run([*compiler, *FLAGS, *words])
            if made.returncode:
                raise CompileError(
                    f"{shlex.join(compiler)} does not compile {name}: {made.stderr.strip()[-500:]}"
                )
    with write_atomically(hash_file) as path:
        path.write_text(_hash(library), encoding="ascii")
    return library


def _name(info: ModelInfo) -> str:
    return identifier(info.directory.resolve().name)


def find_compiler() -> list[str]:
    """The words that call the C compiler: the environment's CC, or the first that is there. Raises
    MissingDependencyError."""
    if given := os.environ.get("CC"):
        return shlex.split(given)
    found = next(filter(shutil.which, COMPILERS), None)
    if found is None:
        raise MissingDependencyError(
            "a C compiler", "apt install gcc, or set CC; the onnx runtime needs none"
        )
    return [found]


def _run(words: list[str]) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=COMPILE_WITHIN, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"{shlex.join(words[:1])} does not run: {error}") from None


def _processor() -> str:
    """What this processor can do: code for more than that would end the process."""
    lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
