"""The parameters of other nodes, as they are set."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

SERVICES = {"list_parameters": ListParameters, "get_parameters": GetParameters}


class ParametersOfNodes:
    """Asks nodes for their parameters. `values`: by full name of the node, those it answered with
    last. `on_change` is called without arguments when they changed."""

    def __init__(self, node: Node, names: Iterable[str], on_change: Callable[[], None]) -> None:
        self.values: dict[str, dict[str, object]] = {}
        self._on_change = on_change
        self._clients = {
            node.resolve_topic_name(name): [
                node.create_client(kind, f"{name}/{service}") for service, kind in SERVICES.items()
            ]
            for name in names
        }

    def ask(self, name: str = "") -> None:
        """Asks a node by its full name, or every one that has not answered yet. Returns at once."""
        for known, (lister, _) in self._clients.items():
            due = known == name if name else known not in self.values
            if due and lister.service_is_ready():
                answer = lister.call_async(ListParameters.Request())
                answer.add_done_callback(functools.partial(self._listed, known))

    def _listed(self, name: str, answer) -> None:
        if answer.exception() is not None:
            return
        names, getter = list(answer.result().result.names), self._clients[name][1]
        asked = getter.call_async(GetParameters.Request(names=names))
        asked.add_done_callback(functools.partial(self._got, name, names))

    def _got(self, name: str, names: list[str], answer) -> None:
        if answer.exception() is not None:
            return
        values = map(parameter_value_to_python, answer.result().values)
        got = {key: _plain(value) for key, value in zip(names, values, strict=False)}
        if self.values.get(name) != got:
            self.values[name] = got
            self._on_change()


def _plain(value: object) -> object:
    """A value as YAML holds it."""
    return value if isinstance(value, (bool, int, float, str, type(None))) else list(value)
