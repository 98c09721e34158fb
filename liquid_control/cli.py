"""The command line: `liquid-control VERB ...`. A verb reads its flags into a settings dataclass and calls one function.

Nothing heavy is imported before a verb is chosen. Exit codes: 0 done (for `drive`: without a departure, for `doctor`:
nothing needed is missing), 1 not, 2 a wrong command line or bad input, 130 Ctrl-C. With --json the last line of stdout
is one JSON object; progress goes to stderr.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

import tyro

from liquid_control.errors import LiquidControlError

PROGRAM = "liquid-control"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
STYLE = (
    tyro.conf.PositionalRequiredArgs,
    tyro.conf.PositionalMetavarFromFieldName,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.DisallowNone,
    tyro.conf.HelptextFromCommentsOff,
)
Settings = typing.TypeVar("Settings")


@dataclasses.dataclass(frozen=True)
class Asked(typing.Generic[Settings]):
    """A verb's settings, and how to answer."""

    settings: typing.Annotated[Settings, tyro.conf.arg(name="")]
    json: bool = False
    """answer with one line of JSON"""


def _drive(arguments: Sequence[str]) -> int:
    from liquid_control.ros.drive import DriveSettings, drive

    return drive(_parse(DriveSettings, DriveSettings, "drive", arguments))


def _collect(arguments: Sequence[str]) -> int:
    from liquid_control.data.collect import CollectionSettings, collect_expert

    asked = _read(CollectionSettings, "collect", arguments)
    _answer(collect_expert(asked.settings), asked.json)
    return 0


def _train_imitation(arguments: Sequence[str]) -> int:
    from liquid_control.train.threads import wait_without_spinning

    wait_without_spinning()
    from liquid_control.train.imitation import ImitationSettings, train

    asked = _read(ImitationSettings, "train imitation", arguments)
    _answer(train(asked.settings), asked.json)
    return 0


def _evaluate(arguments: Sequence[str]) -> int:
    from liquid_control.deploy.models import find_model
    from liquid_control.evaluate.closed_loop import EvaluationSettings, evaluate

    asked = _read(EvaluationSettings, "evaluate", arguments)
    _answer(evaluate(dataclasses.replace(asked.settings, model=find_model(asked.settings.model))), asked.json)
    return 0


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """What `liquid-control export` is asked."""

    model: str
    """path of a model directory, or the name of an installed model"""


def _bench_cells(arguments: Sequence[str]) -> int:
    from liquid_control.bench.cells import CellsSettings, bench_cells
    from liquid_control.bench.cells_report import table

    asked = _read(CellsSettings, "bench cells", arguments)
    result = bench_cells(asked.settings)
    if asked.json:
        _answer(result, as_json=True)
    else:
        print(table(result))
    return 0


def _bench_tables(arguments: Sequence[str]) -> int:
    from liquid_control.bench.tables.runs import TablesSettings, run_tables

    asked = _read(TablesSettings, "bench tables", arguments)
    _answer(run_tables(asked.settings), asked.json)
    return 0


def _export(arguments: Sequence[str]) -> int:
    from liquid_control.deploy.export import export_model
    from liquid_control.deploy.models import find_model

    asked = _read(ExportSettings, "export", arguments)
    _answer({"onnx": str(export_model(find_model(asked.settings.model)))}, asked.json)
    return 0


def _inspect(arguments: Sequence[str]) -> int:
    from liquid_control.evaluate.inspection import InspectSettings, inspect

    asked = _read(InspectSettings, "inspect", arguments)
    _answer(inspect(asked.settings), asked.json)
    return 0


def _doctor(arguments: Sequence[str]) -> int:
    from liquid_control.doctor import DoctorSettings, examine, table

    asked = _read(DoctorSettings, "doctor", arguments)
    report = examine(asked.settings)
    if asked.json:
        _answer(report, as_json=True)
    else:
        print(table(report))
    return 0 if report["healthy"] else FAILED


@dataclasses.dataclass(frozen=True)
class Verb:
    """`run` takes the arguments behind the verb and returns the exit code."""

    words: str
    summary: str
    run: Callable[[Sequence[str]], int]


VERBS = (
    Verb("drive", "watch a policy drive the MuJoCo world over real ROS 2 topics, each node a process of its own", _drive),
    Verb("collect", "drive simulated roads with the expert and keep the episodes; says how many frames a second", _collect),
    Verb("train imitation", "train a policy from nothing: expert drives, behaviour cloning, DAgger", _train_imitation),
    Verb("evaluate", "examine a policy in closed loop on held-out roads, without ROS", _evaluate),
    Verb("bench cells", "measure how fast the cells are, beside ncps in the same run", _bench_cells),
    Verb("bench tables", "train and test on the published time-series tables, run by run, and set ours beside theirs", _bench_tables),
    Verb("export", "write a model's policy.onnx anew from its weights", _export),
    Verb("inspect", "say what a model is and how it was made; --out draws its wiring", _inspect),
    Verb("doctor", "say what this machine has and lacks", _doctor),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage(VERBS))
        return 0 if arguments else WRONG_USAGE
    for verb in VERBS:
        words = verb.words.split()
        if arguments[: len(words)] == words:
            return _run(verb, arguments[len(words) :])
    family = [verb for verb in VERBS if verb.words.split()[0] == arguments[0]]
    asked_help = bool(family) and arguments[1:] in (["-h"], ["--help"])
    print(_usage(family or VERBS), file=sys.stdout if asked_help else sys.stderr)
    return 0 if asked_help else WRONG_USAGE


def _run(verb: Verb, arguments: Sequence[str]) -> int:
    try:
        return verb.run(arguments)
    except LiquidControlError as error:
        print(f"{PROGRAM} {verb.words}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED


def _read(kind: type[Settings], words: str, arguments: Sequence[str]) -> Asked[Settings]:
    return _parse(kind, Asked[kind], words, arguments)


def _parse(kind: type, whole: type[Settings], words: str, arguments: Sequence[str]) -> Settings:
    """`whole`, which holds settings of `kind`, from flags; fields without a default are positional.

    Leaves with code 2 on a wrong flag, 0 on --help.
    """
    summary = next(verb.summary for verb in VERBS if verb.words == words)
    _document(kind)
    description = f"{summary[0].upper()}{summary[1:]}."
    return tyro.cli(whole, args=list(arguments), prog=f"{PROGRAM} {words}", description=description, config=STYLE)


def _document(kind: type) -> None:
    """Config fields carry their one line of documentation, unit and bounds as metadata; tyro reads docstrings."""
    hints = typing.get_type_hints(kind)
    lines = []
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            _document(hints[field.name])
        elif "doc" in field.metadata:
            lines.append(f"    {field.name}: {field.metadata['doc']}{_bounds(field.metadata)}")
    if lines and "\nAttributes:\n" not in (kind.__doc__ or ""):
        kind.__doc__ = "\n".join([kind.__doc__ or "", "", "Attributes:", *lines])


def _bounds(metadata: Mapping) -> str:
    if "options" in metadata:
        return "; " + " or ".join(metadata["options"])
    return f"; {metadata['low']} to {metadata['high']} {metadata['unit']}".rstrip() if "low" in metadata else ""


def _answer(facts: Mapping, as_json: bool) -> None:
    """One line of JSON for programs; for people a line per fact, lists of mappings (a row per road, say) left out."""
    if as_json:
        print(json.dumps(facts))
        return
    rows = list(_rows(facts))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name.ljust(width)}  {round(value, 4) if isinstance(value, float) else value}")


def _rows(facts: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{name}.")
        elif not (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            yield f"{prefix}{name}", value


def _usage(verbs: Sequence[Verb]) -> str:
    width = max(len(verb.words) for verb in verbs)
    lines = [f"  {verb.words.ljust(width)}  {verb.summary}" for verb in verbs]
    return "\n".join([f"usage: {PROGRAM} VERB [flags]", "", *lines, "", f"{PROGRAM} VERB --help lists the flags of a verb."])


if __name__ == "__main__":
    sys.exit(main())
