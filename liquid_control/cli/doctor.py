"""`liquid-control doctor`: checks the machine's set-up, or with --live the nodes that run. Each
check of the machine is a file of `checks` with a function `check`, and a row of `CHECKS`."""

from __future__ import annotations

import dataclasses

from liquid_control.cli.checks import drawing, gpu, models, packages, ros
from liquid_control.cli.checks.finding import MISSING
from liquid_control.config import check, number, switch
from liquid_control.ros.health import live
from liquid_control.system.verb import Verb

CHECKS = (packages, ros, drawing, models, gpu)


@dataclasses.dataclass(frozen=True)
class DoctorSettings:
    """What to check."""

    drawing: bool = switch(True, "draw a few pictures of the simulated world")
    live: bool = switch(
        False,
        "instead of the machine, check the running nodes: sensors, clocks, topics, limits; exit "
        "code 0 if all is right",
    )
    seconds: float = number(5.0, 1.5, 3600.0, "s", "how long to listen with --live")

    def __post_init__(self) -> None:
        check(self)


def examine(settings: DoctorSettings) -> dict:
    """{"healthy": a policy can drive on this machine, "findings": all results}, plain data for
    JSON; with `live` what `ros.health.live` hears."""
    if settings.live:
        return live.listen(settings.seconds)
    checks = [each for each in CHECKS if settings.drawing or each is not drawing]
    findings = [finding for each in checks for finding in each.check()]
    healthy = not any(finding.state == MISSING for finding in findings)
    return {"healthy": healthy, "findings": [dataclasses.asdict(finding) for finding in findings]}


def table(report: dict) -> str:
    """The report of `examine` for people."""
    if "findings" not in report:
        return live.text(report)
    columns = ("group", "name", "state")
    widths = [max(len(finding[column]) for finding in report["findings"]) for column in columns]
    lines = []
    for finding in report["findings"]:
        cells = [
            finding[column].ljust(width) for column, width in zip(columns, widths, strict=True)
        ]
        lines.append("  ".join([*cells, finding["found"]]))
        if finding["advice"]:
            lines.append(" " * (sum(widths) + 6) + finding["advice"])
    verdict = (
        "This machine can run a policy."
        if report["healthy"]
        else "A part that a policy needs is missing; see above."
    )
    return "\n".join([*lines, verdict])


VERB = Verb(DoctorSettings, examine, table, lambda report: report["healthy"])
