"""Spellings of version 0.1.0, refused with the new one."""

from __future__ import annotations

from collections.abc import Sequence

from liquid_control.config import flags
from liquid_control.errors import LiquidControlError

OLD_VERBS = {
    "train imitation --bags": "train recordings --recordings",
    "train imitation": "train simulation",
}
"""The first that fits counts: its words come first, its flags anywhere."""
OLD_FLAGS = {
    "--memory": "--core",
    "--policy.memory": "--policy.core",
    "--memory-fit.looks": "--core-fit.passes",
    "--memory-fit.most": "--core-fit.max-frames",
    "--policy.inter": "--policy.core.wiring.inter",
    "--policy.command": "--policy.core.wiring.command",
    "--policy.sensory-fanout": "--policy.core.wiring.sensory-fanout",
    "--policy.inter-fanout": "--policy.core.wiring.inter-fanout",
    "--policy.recurrent-command": "--policy.core.wiring.recurrent-command",
    "--policy.motor-fanin": "--policy.core.wiring.motor-fanin",
    "--policy.wiring-seed": "--policy.core.wiring.seed",
    "--policy.unfolds": "--policy.core.unfolds",
    "--policy.units": "--policy.core.units",
    "--policy.backbone": "--policy.core.backbone",
    "--policy.stack": "--policy.core.stack",
    "--recipe.policy.curvature-scale": "--recipe.car.curvature-scale",
    "--policy.curvature-scale": "--car.curvature-scale",
    "--memory-fit": "--core-fit",
    "--fit.memory-rate": "--fit.core-rate",
    "--recipe.memory-fit.looks": "--recipe.core-fit.passes",
    "--recipe.memory-fit.most": "--recipe.core-fit.max-frames",
    "--recipe.memory-fit": "--recipe.core-fit",
    "--exam-roads": "--evaluation-roads",
    "--wobble": "--steering-noise",
    "--bags": "--recordings",
    "--candidates": "--presets",
}
"""A flag, or the prefix of a group of flags. The first that fits counts."""


class OldSpellingError(LiquidControlError):
    """A verb or a flag has another name now."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"{old} is now spelled {new}")
        self.old, self.new = old, new


def refuse_old_verb(arguments: Sequence[str]) -> None:
    """Raises OldSpellingError for a verb that has another name now."""
    given = {argument.partition("=")[0] for argument in arguments}
    for old, new in OLD_VERBS.items():
        words = [word for word in old.split() if not word.startswith("-")]
        if list(arguments[: len(words)]) == words and given.issuperset(old.split()):
            raise OldSpellingError(old, new)


def refuse_old_flags(settings: type, arguments: Sequence[str]) -> None:
    """Raises OldSpellingError for a flag that has another name now, if the verb has that one."""
    known = set()
    for flag in flags(settings):
        known |= {f"--{flag.name}", flag.field.metadata.get("alias")}
    groups = {flag.rpartition(".")[0] for flag in known if flag}
    for argument in arguments:
        name = argument.partition("=")[0].replace("_", "-")
        for old, new in OLD_FLAGS.items():
            if name not in known and (name == old or name.startswith(f"{old}.")):
                renamed = new + name.removeprefix(old)
                if renamed in known or groups & {new, renamed.rpartition(".")[0]}:
                    raise OldSpellingError(name, renamed)
