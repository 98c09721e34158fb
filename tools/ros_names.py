"""Checks that the nodes use only names that another release of rclpy has, from its sources alone:

    python tools/ros_names.py PATH/TO/rclpy          # the folder with node.py and qos.py

Three rules, for every file that imports rclpy: a module or name that is imported exists there, an
attribute that the installed rclpy defines on one of its classes is defined there too, and a keyword
given to a function or method of that name is one of its parameters. An import inside `try` with an
`except ImportError` is an alternative: one of the two must exist. Prints what is missing; exit code
1 then.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "liquid_control"


@dataclasses.dataclass(frozen=True)
class Release:
    """What the sources of one release define: `names` by module, `methods` and properties of all
    classes, and the parameters of functions and methods by name (`None`: takes any keyword)."""

    names: dict[str, frozenset[str]]
    methods: frozenset[str]
    parameters: dict[str, frozenset[str] | None]


def read(folder: Path) -> Release:
    """The release in `folder`. Raises FileNotFoundError when it holds no rclpy."""
    if not (folder / "node.py").is_file():
        raise FileNotFoundError(f"{folder}: got no node.py, expected the folder of rclpy's modules")
    names, methods, parameters = {}, set(), {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        module = ".".join(("rclpy", *parts)).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names[module] = frozenset(_defined(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                methods |= set(_methods(node))
                for function in node.body:
                    if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                        _add(parameters, node.name, function)
            elif isinstance(node, ast.FunctionDef):
                _add(parameters, node.name, node)
    return Release(names, frozenset(methods), parameters)


def missing(
    source: str, there: Release, here: Release, own: frozenset[str] = frozenset()
) -> list[str]:
    """What `source` (text of a module) uses of the release `here` and does not find in `there`.
    Names that the package itself defines (`own`, see `defined`) are not rclpy's."""
    tree = ast.parse(source)
    alternatives = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any("ImportError" in ast.unparse(handler.type or node) for handler in node.handlers)
    ]
    optional = {id(part) for node in alternatives for part in ast.walk(node)}
    found = [
        problem
        for node in ast.walk(tree)
        if id(node) not in optional
        for problem in _imports(node, there)
    ]
    for node in alternatives:
        tries = [node.body, *(handler.body for handler in node.handlers)]
        problems = [
            [
                problem
                for line in body
                for part in ast.walk(line)
                for problem in _imports(part, there)
            ]
            for body in tries
        ]
        if all(problems):
            found += problems[0]
    own |= defined(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in here.methods - there.methods:
            if node.attr not in own:
                found.append(f"line {node.lineno}: method {node.attr}")
        if isinstance(node, ast.Call):
            found += [f"line {node.lineno}: {text}" for text in _keywords(node, there, here, own)]
    return found


def defined(source: str) -> frozenset[str]:
    """Functions, classes, fields and attributes that `source` defines."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return frozenset(names)


def _imports(node: ast.AST, there: Release) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] == "rclpy" and alias.name not in there.names:
                yield f"line {node.lineno}: module {alias.name}"
    elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rclpy":
        if node.module not in there.names:
            yield f"line {node.lineno}: module {node.module}"
            return
        for alias in node.names:
            inside = f"{node.module}.{alias.name}"
            if alias.name not in there.names[node.module] and inside not in there.names:
                yield f"line {node.lineno}: {inside}"


def _keywords(call: ast.Call, there: Release, here: Release, own: frozenset[str]) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in own or name not in here.parameters or here.parameters[name] is None:
        return
    given = {word.arg for word in call.keywords if word.arg in here.parameters[name]}
    if given and name not in there.parameters:
        yield name
        return
    known = there.parameters.get(name)
    for word in sorted(given - known if known is not None else ()):
        yield f"{name}({word}=...)"


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _methods(node: ast.ClassDef) -> Iterator[str]:
    return (part.name for part in node.body if isinstance(part, ast.FunctionDef))


def _add(parameters: dict, name: str, function: ast.FunctionDef) -> None:
    words = function.args
    here = {argument.arg for argument in (*words.posonlyargs, *words.args, *words.kwonlyargs)}
    before = parameters.get(name, frozenset())
    parameters[name] = None if words.kwarg or before is None else before | here


def main(folder: str) -> int:
    import rclpy

    there, here = read(Path(folder)), read(Path(rclpy.__file__).parent)
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    own = frozenset().union(*map(defined, sources.values()))
    count = 0
    for path, text in sources.items():
        if "rclpy" in text:
            for problem in missing(text, there, here, own):
                print(f"{path.relative_to(PACKAGE.parent)}: {problem}")
                count += 1
    print(f"{count} names of rclpy missing in {folder}")
    return int(count > 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
