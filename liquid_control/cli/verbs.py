"""The verbs of the command line as a table. To add one, define a `Verb` in the module of its
function and name it here."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping

from liquid_control.system.threads import wait_without_spinning
from liquid_control.system.verb import Verb


@dataclasses.dataclass(frozen=True)
class Entry:
    """`words` as typed, one line of `summary`, and `target`, "module:NAME" of its `Verb` below
    `liquid_control`, imported when the verb is chosen. `trains`: it runs PyTorch on several
    threads.
    """

    words: str
    summary: str
    target: str
    trains: bool = False

    def load(self) -> Verb:
        if self.trains:
            wait_without_spinning()  # before torch is imported
        module, name = self.target.split(":")
        return getattr(importlib.import_module(f"liquid_control.{module}"), name)


VERBS = (
    Entry(
        "drive",
        "drive the simulated vehicle, or one in a recording, with a policy over ROS 2 topics",
        "ros.drive:VERB",
    ),
    Entry(
        "joystick",
        "show a joystick live, say which preset fits it, teach one that none fits",
        "ros.pads.screen:VERB",
    ),
    Entry(
        "collect",
        "drive simulated roads with the expert and save episodes or rosbag2 recordings",
        "sim.collect:VERB",
    ),
    Entry(
        "train simulation",
        "train a policy in simulation: expert drives, behaviour cloning, DAgger",
        "train.from_simulation:VERB",
        trains=True,
    ),
    Entry(
        "train recordings",
        "train a policy on recordings, or fine-tune one (--from)",
        "train.from_recordings:VERB",
        trains=True,
    ),
    Entry(
        "train takeovers",
        "train a policy on recordings in which a person took over from it",
        "train.takeovers:VERB",
        trains=True,
    ),
    Entry(
        "train ppo",
        "train a policy by reinforcement: lane keeping, MuJoCo bodies, gymnasium environments",
        "train.ppo:VERB",
        trains=True,
    ),
    Entry(
        "improve",
        "train on the takeovers of a model's drives, and say whether the result may replace it",
        "train.improve:VERB",
        trains=True,
    ),
    Entry(
        "evaluate",
        "evaluate a policy in closed loop on held-out simulated roads or in recordings",
        "evaluate.closed_loop.evaluation:VERB",
    ),
    Entry(
        "replay",
        "run policies on recorded drives and compare their commands with the driver's",
        "evaluate.replay.run:VERB",
    ),
    Entry(
        "explain",
        "explain a policy: saliency, neuron activity, and drives with parts of it silenced",
        "evaluate.insight.explain:VERB",
    ),
    Entry(
        "inspect",
        "check a recording for replay and training, or describe a model",
        "inspection.inspect_any:VERB",
    ),
    Entry(
        "convert",
        "write a recording of any known format as a rosbag2 (mcap)",
        "recordings.convert:VERB",
    ),
    Entry(
        "operate",
        "serve the operator's page of a robot: watch, engage, take over, stop, drive by hand",
        "ros.operating:VERB",
    ),
    Entry(
        "install-service",
        "make the nodes systemd services that start with the machine",
        "ros.services:VERB",
    ),
    Entry("export", "write a model's policy.onnx, or its C99 source", "deploy.export:VERB"),
    Entry("sign", "sign a model with an ed25519 key", "model.signing:VERB"),
    Entry(
        "bench cells",
        "measure the speed of the cells, with ncps in the same run",
        "bench.cells:VERB",
    ),
    Entry(
        "bench train",
        "measure where a training spends its time, against the limits of the machine",
        "bench.train_speed.run:VERB",
        trains=True,
    ),
    Entry("bench replay", "measure speed and memory of replaying recordings", "bench.replay:VERB"),
    Entry("bench step", "measure one step of a policy by each runtime", "bench.step:VERB"),
    Entry(
        "bench shadow",
        "measure what a shadow costs the policy node: its CPU time and the latency of proposals",
        "bench.shadow:VERB",
    ),
    Entry(
        "bench operator",
        "measure the operator's page: latency, CPU time of its server, effect on the policy",
        "bench.operator:VERB",
    ),
    Entry(
        "bench recorder",
        "measure what recorder_node loses and costs beside a drive",
        "bench.recorder:VERB",
    ),
    Entry(
        "bench driving",
        "train every preset, drive all on the same roads in every condition, test the claims",
        "experiments.driving.run:VERB",
        trains=True,
    ),
    Entry(
        "bench tables",
        "train and test on published time-series tables and compare with the published figures",
        "experiments.tables.runs:VERB",
    ),
    Entry(
        "bench recordings",
        "train on the same drives as episodes and as recordings, compare both on held-out roads",
        "experiments.recordings:VERB",
        trains=True,
    ),
    Entry(
        "bench recorded-world",
        "train and examine policies in the world of recordings, and compare it with the real one",
        "experiments.recorded_world.run:VERB",
    ),
    Entry(
        "bench takeovers",
        "measure takeovers per km over rounds of driving and learning, the expert as the person",
        "experiments.takeovers.run:VERB",
    ),
    Entry(
        "bench adaptation",
        "drive the same roads with and without adaptation, under each fault, and compare",
        "experiments.adaptation.run:VERB",
    ),
    Entry(
        "bench speed",
        "train policies with and without a speed of their own, compare them and the expert",
        "experiments.speed.run:VERB",
        trains=True,
    ),
    Entry(
        "faults",
        "inject sensor faults while a policy drives and check the safety gate's response",
        "stress.faults.matrix:VERB",
    ),
    Entry(
        "soak gate",
        "send millions of random commands through the safety gate and check every limit",
        "stress.soak.gate_histories:VERB",
    ),
    Entry(
        "soak inputs",
        "feed malformed pictures, measurements, models, files and command lines to their readers",
        "stress.soak.inputs:VERB",
    ),
    Entry(
        "soak recordings",
        "build recordings of known drives, change them as others' are, check what is said of them",
        "stress.recordings.run:VERB",
    ),
    Entry(
        "soak recorder",
        "cut recordings, kill recorders and fill their disks; read back what is left",
        "stress.recorder.run:VERB",
    ),
    Entry(
        "soak processes",
        "kill, freeze, disconnect and flood the real nodes and check the safety gate's response",
        "stress.processes.run:VERB",
    ),
    Entry(
        "soak operator",
        "kill, freeze, cut off and confuse the operator's page and check that the gate takes over",
        "stress.processes.operator_soak:VERB",
    ),
    Entry(
        "soak joystick",
        "lose the joystick of a person who drives in every way, measure until the takeover",
        "stress.processes.joystick:VERB",
    ),
    Entry(
        "soak",
        "drive for hours under random faults; count limit violations, errors and memory growth",
        "stress.soak.drives:VERB",
    ),
    Entry("doctor", "check this machine's set-up", "cli.doctor:VERB"),
)
"""A verb of two words stands before the verb of its first word alone."""


def settings_by_words() -> Mapping[str, type]:
    """The settings class of every verb. Imports all of them, which takes seconds."""
    return {verb.words: verb.load().settings for verb in VERBS}
