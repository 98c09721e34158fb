"""Message packages that have no wheel, generated from their definitions by the rosidl of the ROS
wheels and compiled with gcc. A ROS installation brings them by apt; only tests build them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from liquid_control.recordings.rosbag.definitions import KNOWN

PREFIX = Path(sys.prefix)
GENERATORS = (
    {"types": ["c"]},
    {"types": ["py"]},
    {"typesupports": ["c"]},
    {"typesupports": ["fastrtps_c"]},
)
PARTS = (
    "generator_c",
    "typesupport_c",
    "typesupport_fastrtps_c",
    "typesupport_introspection_c",
    "generator_py",
)
INTROSPECTION = "introspection"
"""Its files have names of the others' and go into a folder of their own."""
LIBRARIES = {
    "lib{}__rosidl_generator_c.so": (
        "{}/msg/detail/*__functions.c",
        "{}/msg/detail/*__description.c",
        "{}/msg/detail/*__type_support.c",
    ),
    "lib{}__rosidl_typesupport_fastrtps_c.so": ("{}/msg/detail/*__type_support_c.cpp",),
    "lib{}__rosidl_typesupport_introspection_c.so": (
        INTROSPECTION + "/{}/msg/detail/*__type_support.c",
    ),
    "lib{}__rosidl_typesupport_c.so": ("{}/msg/*__type_support.cpp",),
    "lib{}__rosidl_generator_py.so": ("{}/msg/_*_s.c",),
    "{0}/{0}_s__rosidl_typesupport_c.so": ("{0}/_{0}_s.ep.rosidl_typesupport_c.c",),
}
"""The files of a package's libraries, in the order in which they are linked."""


def absent_tools() -> list[str]:
    """What is not there of what building takes."""
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    absent = [name for name in ("gcc", "g++") if not shutil.which(name)]
    absent += [] if header.is_file() else [str(header)]
    return absent + ([] if importlib.util.find_spec("rosidl_cli") else ["rosidl_cli"])


@contextlib.contextmanager
def importable(kinds: Iterable[str], cache: Path) -> Iterator[None]:
    """A context in which the packages of these types can be imported, by children, too. Builds them
    in `cache` where they are not there yet, each set of definitions once."""
    kinds = tuple(kinds)
    said = repr([(kind, KNOWN[kind]) for kind in kinds]) + Path(__file__).read_text()
    folder = cache / hashlib.sha256((said + sys.version).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of tests
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(kinds, folder)
            (folder / "done").touch()
    before = dict(os.environ)
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        os.environ[name] = os.pathsep.join(filter(None, (str(folder), before.get(name))))
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.environ.clear()
        os.environ.update(before)


def build(kinds: Iterable[str], folder: Path) -> None:
    """Python packages and libraries of message types (package/msg/Name) in `folder`, which goes to
    PYTHONPATH and LD_LIBRARY_PATH. Raises RuntimeError where a compiler refuses."""
    os.environ.setdefault("AMENT_PREFIX_PATH", str(PREFIX))
    packages: dict[str, list[str]] = {}
    for kind in kinds:
        packages.setdefault(kind.partition("/")[0], []).append(kind)
    for package, its in packages.items():
        source = folder / "source" / package
        (source / "msg").mkdir(parents=True)
        for kind in its:
            path = source / "msg" / f"{kind.rpartition('/')[2]}.msg"
            path.write_text(KNOWN[kind], encoding="utf-8")
        _generate(package, source, folder)
        (folder / package / "__init__.py").touch()
        _compile(package, folder)


def _generate(package: str, source: Path, folder: Path) -> None:
    from rosidl_cli import entry_points

    def named(group: str, *, specs=None, strict: bool = False) -> dict:
        """Each once; the wheels list them twice, which rosidl refuses."""
        found = {each.name: each for each in importlib.metadata.entry_points(group=group)}
        return {name: each for name, each in found.items() if not specs or name in specs}

    entry_points.get_entry_points = named
    from rosidl_cli.command.generate.api import generate

    files = [f"{source}:msg/{path.name}" for path in sorted((source / "msg").iterdir())]
    places = [(folder / package, wanted) for wanted in GENERATORS]
    places.append((folder / INTROSPECTION / package, {"typesupports": ["introspection_c"]}))
    for out, wanted in places:
        generate(
            package_name=package,
            interface_files=files,
            include_paths=[str(PREFIX / "share")],
            output_path=out,
            **wanted,
        )


def _compile(package: str, folder: Path) -> None:
    jobs = {
        name.format(package): [
            path for pattern in patterns for path in sorted(folder.glob(pattern.format(package)))
        ]
        for name, patterns in LIBRARIES.items()
    }
    sources = [path for paths in jobs.values() for path in paths]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: _run(*_compiler(path, folder)), sources))
    linked: list[str] = []
    for name, paths in jobs.items():
        objects = [str(path.with_suffix(".o")) for path in paths]
        needed = [*linked, *_foreign_libraries()]
        # rosidl opens the type support of a middleware by its name alone: it must be loaded by then
        names = [f"-Wl,-soname,{Path(name).name}", "-Wl,--no-as-needed"]
        paths = [
            *names,
            f"-L{folder}",
            f"-L{PREFIX / 'lib'}",
            f"-Wl,-rpath,{folder}:{PREFIX / 'lib'}",
        ]
        target = folder / name
        _run("g++", "-shared", "-o", str(target), *objects, *paths, *(f"-l:{it}" for it in needed))
        if target.parent == folder:
            linked.append(name)


def _compiler(path: Path, folder: Path) -> Iterator[str]:
    import numpy

    yield from ("g++", "-std=c++17") if path.suffix == ".cpp" else ("gcc", "-std=gnu11")
    yield from ("-O1", "-fPIC", "-w", "-c", str(path), "-o", str(path.with_suffix(".o")))
    ours = [folder, folder / INTROSPECTION, sysconfig.get_paths()["include"], numpy.get_include()]
    for include in (*ours, PREFIX / "include", *sorted((PREFIX / "include").iterdir())):
        yield f"-I{include}"


def _foreign_libraries() -> Iterator[str]:
    for package in ("builtin_interfaces", "std_msgs"):
        for part in PARTS:
            yield f"lib{package}__rosidl_{part}.so"
    for name in ("runtime_c", *PARTS[1:4]):
        yield f"librosidl_{name}.so"
    yield from ("librcutils.so", "librmw.so", "libfastcdr.so")


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stderr[-2000:]}")
