"""The start-up check in the log: the table once, then what becomes wrong and right again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.impl.rcutils_logger import RcutilsLogger

from liquid_control.ros.health.part import Level, Part, Problem, table, worst


class Announcer:
    """Compares the parts of one second with those of the second before."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._known: dict[tuple[str, str], Problem] = {}

    def show(self, parts: Sequence[Part], more: Sequence[Part] = ()) -> None:
        """Logs the table of all parts, with those of another node."""
        shown = (*parts, *more)
        lines = f"start-up check\n{table(shown)}"
        # rclpy wants one severity for each line that logs
        if worst(shown) is Level.OK:
            self._logger.info(lines)
        else:
            self._logger.warning(lines)
        self._known = _problems(parts)

    def tell(self, parts: Sequence[Part]) -> None:
        """Logs problems that were not there before, and those that are over."""
        found = _problems(parts)
        for (name, code), problem in found.items():
            if (name, code) not in self._known:
                self._log(problem.level)(f"{name}: {problem.text} -> {problem.remedy}")
        for (name, code), problem in self._known.items():
            if (name, code) not in found:
                self._logger.info(f"{name}: no longer: {problem.text}")
        self._known = found

    def _log(self, level: Level) -> Callable[[str], object]:
        return self._error if level is Level.ERROR else self._warning

    def _error(self, line: str) -> None:
        self._logger.error(line)

    def _warning(self, line: str) -> None:
        self._logger.warning(line)


def _problems(parts: Sequence[Part]) -> dict[tuple[str, str], Problem]:
    return {(part.name, problem.code): problem for part in parts for problem in part.problems}
