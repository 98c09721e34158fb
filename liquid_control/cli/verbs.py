"""The verbs of the command line: each reads its flags into a settings dataclass and calls one
function.

What a verb needs is imported only once it is chosen, by its `load`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping

from liquid_control.cli.arguments import as_lines


@dataclasses.dataclass(frozen=True)
class Work:
    """What a verb does. `run` takes the settings and returns facts; `show` makes them text for
    people; `succeeded` sets the exit code.

    With `answers_itself`, `run` prints what it has to say, as its settings ask, and returns the
    exit code.
    """

    settings: type
    run: Callable[[object], Mapping | int]
    show: Callable[[Mapping], str] = as_lines
    succeeded: Callable[[Mapping], bool] = lambda facts: True
    answers_itself: bool = False


@dataclasses.dataclass(frozen=True)
class Verb:
    """`words` as typed, one line of `summary`, and `load`, which imports what the verb needs.

    A flag among the words may stand anywhere behind the others and goes on to the verb; put such a
    verb before the one without the flag.
    """

    words: str
    summary: str
    load: Callable[[], Work]


def _drive() -> Work:
    from liquid_control.ros.drive import DriveSettings, drive

    return Work(DriveSettings, drive, answers_itself=True)


def _collect() -> Work:
    from liquid_control.sim.collect import CollectionSettings, collect_expert

    return Work(CollectionSettings, collect_expert)


def _train_imitation() -> Work:
    from liquid_control.system.threads import wait_without_spinning

    wait_without_spinning()
    from liquid_control.train.from_simulation import ImitationSettings, train

    return Work(ImitationSettings, train)


def _train_recorded() -> Work:
    from liquid_control.system.threads import wait_without_spinning

    wait_without_spinning()
    from liquid_control.train.from_recordings import RecordedSettings, train_recorded

    return Work(RecordedSettings, train_recorded)


def _evaluate() -> Work:
    from liquid_control.evaluate.closed_loop.condition_rows import table
    from liquid_control.evaluate.closed_loop.evaluation import EvaluationSettings, evaluate
    from liquid_control.model.installed import find_model
    from liquid_control.model.model_file import read_model

    def run(settings: EvaluationSettings) -> Mapping:
        model = find_model(settings.model)
        read_model(model, settings.require_signature)
        return evaluate(dataclasses.replace(settings, model=model))

    return Work(EvaluationSettings, run, lambda facts: f"{as_lines(facts)}\n\n{table(facts)}")


def _replay() -> Work:
    from liquid_control.evaluate.replay.run import ReplaySettings, run
    from liquid_control.evaluate.replay.text import table

    return Work(
        ReplaySettings,
        run,
        table,
        succeeded=lambda facts: facts["passed"] if "passed" in facts else facts["frames_used"] > 0,
    )


def _bench_cells() -> Work:
    from liquid_control.bench.cells import CellsSettings, bench_cells
    from liquid_control.bench.cells_report import table

    return Work(CellsSettings, bench_cells, table)


def _bench_driving() -> Work:
    from liquid_control.system.threads import wait_without_spinning

    wait_without_spinning()
    from liquid_control.experiments.driving.report import table
    from liquid_control.experiments.driving.run import bench_driving
    from liquid_control.experiments.driving.settings import DrivingSettings

    return Work(DrivingSettings, bench_driving, table)


def _bench_train() -> Work:
    from liquid_control.system.threads import wait_without_spinning

    wait_without_spinning()
    from liquid_control.bench.train_speed.report import table
    from liquid_control.bench.train_speed.run import TrainBenchSettings, bench_train

    return Work(TrainBenchSettings, bench_train, table)


def _bench_replay() -> Work:
    from liquid_control.bench.replay import ReplayBenchSettings, bench_replay, succeeded, table

    return Work(ReplayBenchSettings, bench_replay, table, succeeded)


def _bench_tables() -> Work:
    from liquid_control.experiments.tables.runs import TablesSettings, run_tables

    return Work(TablesSettings, run_tables)


def _bench_recordings() -> Work:
    from liquid_control.system.threads import wait_without_spinning

    wait_without_spinning()
    from liquid_control.experiments.recordings import RecordingsSettings, bench_recordings

    return Work(
        RecordingsSettings,
        bench_recordings,
        succeeded=lambda answer: all(answer["as_well"]["bags"].values()),
    )


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """What `liquid-control export` is asked."""

    model: str
    """path of a model directory, or the name of an installed model"""


def _export() -> Work:
    from liquid_control.deploy.export import export_model
    from liquid_control.model.installed import find_model

    return Work(
        ExportSettings, lambda settings: {"onnx": str(export_model(find_model(settings.model)))}
    )


def _sign() -> Work:
    from liquid_control.model.signing import SignSettings, sign_model

    return Work(SignSettings, sign_model)


def _inspect() -> Work:
    if importlib.util.find_spec("rosbags") is None:  # a robot that only drives
        from liquid_control.inspection.model import InspectSettings, inspect

        return Work(InspectSettings, inspect)
    from liquid_control.inspection.inspect_any import InspectAnySettings, inspect_any
    from liquid_control.inspection.text import as_text

    return Work(
        InspectAnySettings,
        inspect_any,
        lambda facts: as_text(facts) if "recording" in facts else as_lines(facts),
    )


def _faults() -> Work:
    from liquid_control.stress.faults.matrix import FaultSettings, inject_faults

    return Work(FaultSettings, inject_faults, succeeded=lambda facts: not facts["broken"])


def _explain() -> Work:
    from liquid_control.evaluate.insight.explain import ExplainSettings, brief, explain
    from liquid_control.model.installed import find_model

    def run(settings: ExplainSettings) -> Mapping:
        return explain(dataclasses.replace(settings, model=find_model(settings.model)))

    return Work(ExplainSettings, run, lambda facts: as_lines(brief(facts)))


def _soak_gate() -> Work:
    from liquid_control.stress.soak.gate_histories import GateSoakSettings, soak_gate

    return Work(GateSoakSettings, soak_gate, succeeded=lambda facts: not facts["violations"])


def _soak_inputs() -> Work:
    from liquid_control.cli.main import main
    from liquid_control.stress.soak.command_cases import CommandLineMaker
    from liquid_control.stress.soak.inputs import InputSoakSettings, soak_inputs

    outer: dict[str, Callable] = {"command_line": CommandLineMaker(main)}
    if importlib.util.find_spec("rclpy") is not None:
        from liquid_control.stress.soak.parameter_cases import parameter_file

        outer["parameter_file"] = parameter_file
    return Work(
        InputSoakSettings,
        lambda settings: soak_inputs(settings, outer),
        succeeded=lambda facts: not facts["wrong"],
    )


def _soak_processes() -> Work:
    from liquid_control.stress.processes.judgement import table
    from liquid_control.stress.processes.run import ProcessSoakSettings, soak_processes

    return Work(
        ProcessSoakSettings, soak_processes, table, succeeded=lambda facts: not facts["wrong"]
    )


def _soak() -> Work:
    from liquid_control.stress.soak.drives import SoakSettings, passed, soak

    return Work(SoakSettings, soak, succeeded=passed)


def _doctor() -> Work:
    from liquid_control.cli.doctor import DoctorSettings, examine, table

    return Work(DoctorSettings, examine, table, succeeded=lambda report: report["healthy"])


VERBS = (
    Verb(
        "drive",
        "watch a policy drive the MuJoCo world over real ROS 2 topics, each node a process of its own",
        _drive,
    ),
    Verb(
        "collect",
        "drive simulated roads with the expert, keep episodes or rosbag2 recordings, say how fast",
        _collect,
    ),
    Verb(
        "train imitation --bags",
        "train a policy on recordings, from nothing or --from a model",
        _train_recorded,
    ),
    Verb(
        "train imitation",
        "train a policy from nothing: expert drives, behaviour cloning, DAgger",
        _train_imitation,
    ),
    Verb(
        "evaluate",
        "examine a policy in closed loop on held-out roads, under any driving conditions, without ROS",
        _evaluate,
    ),
    Verb(
        "replay",
        "say what policies would have done on recorded drives, and how far that is from what the driver did",
        _replay,
    ),
    Verb(
        "bench cells", "measure how fast the cells are, beside ncps in the same run", _bench_cells
    ),
    Verb(
        "bench tables",
        "train and test on the published time-series tables, run by run, and set ours beside theirs",
        _bench_tables,
    ),
    Verb(
        "bench recordings",
        "train on the same drives with and without bags, and let both kinds drive held-out roads",
        _bench_recordings,
    ),
    Verb(
        "bench driving",
        "train every candidate, let all drive the same roads in every condition, judge the claims",
        _bench_driving,
    ),
    Verb(
        "bench train",
        "measure where a training's time goes, and how close to the machine's limit it runs",
        _bench_train,
    ),
    Verb(
        "bench replay",
        "measure how fast recordings are replayed, and what memory that takes",
        _bench_replay,
    ),
    Verb(
        "faults",
        "spoil every sensor in every way while a policy drives, and see that the safety gate does what it must",
        _faults,
    ),
    Verb(
        "soak gate",
        "send millions of random commands through the safety gate and check every limit between every two",
        _soak_gate,
    ),
    Verb(
        "soak inputs",
        "feed hostile pictures, measurements, models, configurations and command lines to what reads them",
        _soak_inputs,
    ),
    Verb(
        "soak processes",
        "kill, freeze, cut off and flood the real nodes, and see that the gate does what it must",
        _soak_processes,
    ),
    Verb(
        "soak",
        "drive for hours under random faults and interventions; count broken limits, errors and growth",
        _soak,
    ),
    Verb(
        "explain",
        "say what a policy looks at, what its neurons do, and what the drive loses without each of them",
        _explain,
    ),
    Verb("export", "write a model's policy.onnx anew from its weights", _export),
    Verb("sign", "sign a model with an ed25519 key, so that a robot can refuse all others", _sign),
    Verb(
        "inspect",
        "say what a recording holds and what it is fit for, or what a model is and how it was made",
        _inspect,
    ),
    Verb("doctor", "say what this machine has and lacks", _doctor),
)
