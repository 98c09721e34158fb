"""Silences one neuron or one synapse of a network: surgery on its weights, so that everything else
stays bit for bit as it was.

`cut` takes away what it sends: the synapse conducts nothing. `hold` takes away only what it says:
the synapse keeps sending its mean over a drive, so that the circuit's working point stays and the
difference is the information alone.
"""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import torch
from torch import Tensor

from liquid_control.config import TimelineConfig
from liquid_control.deploy.runtime import Runtime, State, Wrapped, from_vector, to_vector
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.errors import ConfigError
from liquid_control.policy.cells.cfc_rule import advance
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.cores import Readout
from liquid_control.policy.network import PolicyNetwork
from liquid_control.signals import Observation

WAYS = ("cut", "hold")
NOTHING = -100.0
"""Conductance before its softplus: at most 1e-30 S, the floor of conductances, which no float32 sum
notices."""
FLAT = 1e-4
"""Slope of a synapse that does not depend on its source."""


@dataclasses.dataclass(frozen=True)
class Lesion:
    """Neuron `source` silenced, or, with a `target`, only the synapse between the two; `way` as in
    `WAYS`."""

    source: int
    target: int | None = None
    way: str = "cut"


def silenced(network: PolicyNetwork, lesion: Lesion, states: np.ndarray) -> Runtime:
    """A runtime of the network with the lesion; `states` (T, U) of an intact drive are what `hold`
    takes its means from. Raises ConfigError for a neuron or synapse that the network does not
    have, and for a wired core that has no entry in `OPERATIONS`."""
    if lesion.way not in WAYS:
        raise ConfigError("Lesion.way", lesion.way, "one of " + ", ".join(WAYS))
    if not 0 <= lesion.source < states.shape[1]:
        raise ConfigError(
            "Lesion.source", lesion.source, f"a neuron from 0 to {states.shape[1] - 1}"
        )
    network, recorded = copy.deepcopy(network), torch.tensor(states, dtype=torch.float32)
    hold = lesion.way == "hold"
    with torch.no_grad():
        if network.wiring is None:
            return _unwired(network, lesion, recorded, hold)
        if lesion.target is None and lesion.source in network.wiring.motor_neurons:
            network.output_shift += (
                float(recorded[:, lesion.source].mean() * network.output_scale) * hold
            )
            network.output_scale.zero_()
        operate = OPERATIONS.get(type(network.cell))
        if operate is None:
            known = ", ".join(kind.__name__ for kind in OPERATIONS)
            raise ConfigError("network.cell", type(network.cell).__name__, f"one of {known}")
        operate(network.cell, lesion, recorded, hold)
    return TorchRuntime(network)


def synapse_strengths(network: PolicyNetwork, states: np.ndarray) -> dict[tuple[int, int], float]:
    """Strength of each synapse between neurons, by (source, target), over states (T, U) of a
    drive. LTC: the spread of the current w σ(.) (erev - v). CfC: the change (root mean square) of
    the target's next state when the source is replaced by its mean. The connections within a layer
    of a CfC are included, except among inter neurons, whose inputs are not available here. Empty
    for a core without wiring."""
    strengths = STRENGTHS.get(type(network.cell))
    if strengths is None:
        return {}
    with torch.no_grad():
        return strengths(network, torch.tensor(states, dtype=torch.float32))


def _ltc_strengths(network: PolicyNetwork, states: Tensor) -> dict[tuple[int, int], float]:
    part = network.cell.recurrent
    pairs = [(source, target) for source, target, _ in network.wiring.synapses]
    targets = states[:, [target for _, target in pairs]]
    conductance = torch.nn.functional.softplus(part.raw_w)
    current = _activations(part, states) * conductance * (part.erev - targets)
    return dict(zip(pairs, current.std(dim=0).tolist(), strict=True))


def _cfc_strengths(network: PolicyNetwork, states: Tensor) -> dict[tuple[int, int], float]:
    cell, found = network.cell, {}
    dt = torch.full((len(states),), TimelineConfig().nominal_dt * network.config.time_scale)
    for (_, start, end), (name, first, last) in zip(cell.layers, cell.layers[1:], strict=False):
        layer, sources = getattr(cell, name), [*range(start, end), *range(first, last)]

        def answer(heard: Tensor, layer=layer, count=end - start) -> Tensor:
            return advance(
                cell.rule,
                layer(heard[:, :count], heard[:, count:]),
                dt,
                layer.rate,
                layer.asymptote,
            )

        whole = answer(states[:, sources])
        for column, source in enumerate(sources):
            heard = states[:, sources]
            heard[:, column] = heard[:, column].mean()
            moved = (answer(heard) - whole).square().mean(dim=0).sqrt().tolist()
            found |= {
                (source, target): moved[target - first]
                for target in range(first, last)
                if _cfc_sites(cell, source, target)
            }
    return found


def synapse_signs(network: PolicyNetwork) -> dict[tuple[int, int], int]:
    """1 or -1 by the sign of each LTC synapse's trained reversal potential, by (source, target);
    empty for other cores, whose synapses have no fixed sign."""
    if not isinstance(network.cell, LtcCell):
        return {}
    signs = torch.sign(network.cell.recurrent.erev.detach()).int().tolist()
    return {
        (source, target): sign
        for (source, target, _), sign in zip(network.wiring.synapses, signs, strict=True)
    }


def _activations(part, states: Tensor) -> Tensor:
    """σ(.) of every synapse (T, S)."""
    slope, offset, _ = part()
    return torch.sigmoid(torch.addmm(offset, states, slope))


def _operate_ltc(cell: LtcCell, lesion: Lesion, states: Tensor, hold: bool) -> None:
    chosen = [
        index
        for index, (source, target, _) in enumerate(cell.wiring.synapses)
        if source == lesion.source and lesion.target in (None, target)
    ]
    _require(chosen, lesion)
    if not hold:
        cell.recurrent.raw_w[chosen] = NOTHING
        return
    mean = _activations(cell.recurrent, states)[:, chosen].mean(dim=0).clamp(1e-6, 1 - 1e-6)
    cell.recurrent.sigma[chosen] = FLAT
    cell.recurrent.mu[chosen] = -torch.logit(mean) / FLAT


def _operate_cfc(cell, lesion: Lesion, states: Tensor, hold: bool) -> None:
    targets = range(cell.units) if lesion.target is None else (lesion.target,)
    sites = [site for target in targets for site in _cfc_sites(cell, lesion.source, target)]
    _require(sites, lesion)
    mean = float(states[:, lesion.source].mean())
    for layer, row, column in sites:
        bias = layer.bias.view(len(layer.weight), -1)
        bias[:, row] += layer.weight[:, row, column] * mean * hold
        layer.weight[:, row, column] = 0.0


def _cfc_sites(cell, source: int, target: int) -> list[tuple]:
    """(layer, row, column) of the weights that carry source to target: from the layer before, or
    within a layer."""
    before, sites = None, []
    for name, first, last in cell.layers:
        layer = getattr(cell, name)
        if first <= target < last:
            own = layer.mask.shape[1] - (last - first)
            if first <= source < last:
                sites.append((layer, target - first, own + source - first))
            elif (
                before is not None
                and before[0] <= source < before[1]
                and layer.mask[target - first, source - before[0]] != 0
            ):
                sites.append((layer, target - first, source - before[0]))
        before = first, last
    return sites


def _unwired(network: PolicyNetwork, lesion: Lesion, states: Tensor, hold: bool) -> Runtime:
    """A silenced unit of a core without a wiring: its value in the state is overwritten after every
    step, and its readout weight removed."""
    if lesion.target is not None or not isinstance(network.cell, Readout):
        raise ConfigError(
            "Lesion.target", lesion.target, "none: a core without wiring has no synapse to name"
        )
    if lesion.source >= network.cell.recurrent.outputs:
        raise ConfigError(
            "Lesion.source", lesion.source, f"a unit below {network.cell.recurrent.outputs}"
        )
    readout, mean = network.cell.readout, float(states[:, lesion.source].mean()) * hold
    readout.bias += readout.weight[:, lesion.source] * mean
    readout.weight[:, lesion.source] = 0.0
    return Overwritten(TorchRuntime(network), lesion.source, mean)


class Overwritten(Wrapped):
    """A runtime that keeps one number of the state at `value`."""

    def __init__(self, runtime: Runtime, index: int, value: float) -> None:
        super().__init__(runtime)
        self._index, self._value = index, value

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        action, after = super().step(observation, self._overwrite(state))
        return action, self._overwrite(after)

    def _overwrite(self, state: State) -> State:
        vector = to_vector(state)
        vector[self._index] = self._value
        return from_vector(vector, self.spec)


def _require(found: list, lesion: Lesion) -> None:
    if not found and lesion.target is not None:
        raise ConfigError(
            "Lesion", (lesion.source, lesion.target), "a synapse of the wiring, as (source, target)"
        )


OPERATIONS = {LtcCell: _operate_ltc, WiredCfcCell: _operate_cfc}
"""How a synapse of a wired cell is silenced, by class of cell."""
STRENGTHS = {LtcCell: _ltc_strengths, WiredCfcCell: _cfc_strengths}
"""How strong its synapses are."""
