"""The CfC with a backbone over a whole sequence, its backward pass written out: for wide cells,
whose cost is matrix products.

Each step's numbers are used while they are in the cache, and products run on oneDNN. tanh is
computed as 2 σ(2 x) - 1, which PyTorch does seven times faster; it differs by 1e-7.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import HEADS, LstmStep
from liquid_control.policy.cells.lstm_cfc import LstmCfcCell
from liquid_control.policy.cells.sequence_checks import State, reset_mask

WORTHWHILE = 4096
"""Numbers per backbone layer and step from which this is faster than autograd on the readable
loop."""
RULES, KNOWN = ("default", "mixed_memory"), ("lecun_tanh", "tanh", "silu", "relu")
AMPLITUDE, STEEPNESS = 1.7159, 0.666
"""LeCun's tanh."""


def choose(cell: CfcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: a wide backbone."""
    return unroll_wide if _applies(cell, x, mask, cell.kernel) else None


def choose_behind_lstm(cell: LstmCfcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: a wide backbone."""
    return unroll_behind_lstm if _applies(cell.liquid, x, mask, cell.kernel) else None


def unroll_wide(
    cell: CfcCell, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: None = None
) -> tuple[Tensor, State]:
    """`CfcCell.forward_sequence` for a cell that `choose` takes. Differentiable once. Dropout draws
    other numbers than PyTorch's."""
    if cell.memory is None:
        states, _ = _unroll(cell, None, x, h, dt, is_first)
        return states, states[:, -1]
    states, c = _unroll(cell, cell.memory, x, torch.cat(h, dim=1), dt, is_first)
    return states, (states[:, -1], c)


def unroll_behind_lstm(
    cell: LstmCfcCell, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: None = None
) -> tuple[Tensor, State]:
    """`LstmCfcCell.forward_sequence` for a cell that `choose_behind_lstm` takes; see
    `unroll_wide`."""
    h = torch.cat(h, dim=1)
    states, c = _unroll(cell.liquid, cell.memory, x, h, dt, is_first, behind=True)
    return states, (states[:, -1], c)


def _applies(cell: CfcCell, x: Tensor, mask: Tensor | None, kernel: str) -> bool:
    """Whether `_unroll` can do this, and is faster than the readable loop or required
    by `kernel`."""
    if mask is not None or cell.backbone is None:
        return False
    if cell.variant not in RULES or cell.activation not in KNOWN:
        return False
    return kernel == "fused" or len(x) * cell.backbone.out_features >= WORTHWHILE


def _unroll(
    cell: CfcCell,
    lstm: LstmStep | None,
    x: Tensor,
    h: Tensor,
    dt: Tensor,
    is_first: Tensor | None,
    behind: bool = False,
) -> tuple[Tensor, Tensor]:
    """h (B, U), or (B, 2 U) hidden and cell state → states (B, T, U), cell state (B, U) or
    (B, 0)."""
    layers = [cell.backbone, *cell.deeper, cell.heads] + ([] if lstm is None else [lstm.gates])
    masks = _dropout(cell, x) if cell.training and cell.dropout else None
    keep = reset_mask(is_first, x)
    keep = None if keep is None else keep.transpose(0, 1).unbind()
    parameters = [tensor for layer in layers for tensor in (layer.weight, layer.bias)]
    depth = 1 + len(cell.deeper)
    return _Unroll.apply(x, h, dt, keep, cell.activation, masks, depth, behind, *parameters)


class _Unroll(torch.autograd.Function):
    """`depth` backbone layers, heads and, for mixed memory, the LSTM's gates: a weight and a bias
    each. `behind`: the CfC reads the LSTM's output and has its own state; otherwise it reads the
    input and carries the LSTM's output."""

    @staticmethod
    def forward(ctx, x, h, dt, keep, activation, masks, depth, behind, *parameters):
        dense = [_Dense(*pair) for pair in zip(parameters[::2], parameters[1::2], strict=True)]
        layers, heads, lstm = (
            dense[:depth],
            dense[depth],
            dense[depth + 1] if len(dense) > depth + 1 else None,
        )
        units = len(heads.bias) // HEADS
        h, c = h.split([units, h.shape[1] - units], dim=1)
        clock, states, tape = dt.t().contiguous().unsqueeze(2), [], []
        for t, entry in enumerate(x.unbind(1)):
            h, c = (h, c) if keep is None else (h * keep[t], c * keep[t])
            gates = None
            if lstm:
                i, ig, fg, og = lstm.forward(torch.cat([entry, h], dim=1)).chunk(HEADS, dim=1)
                _tanh(i), ig.sigmoid_(), fg.sigmoid_(), og.sigmoid_()
                before, c = c, torch.addcmul(c * fg, i, ig)
                seen = _tanh(c.clone())
                entry, h = (seen * og, h) if behind else (entry, seen * og)
                gates = i, ig, fg, og, before, seen
            z, outputs = torch.cat([entry, h], dim=1), []
            for index, layer in enumerate(layers):
                outputs.append(_activate(layer.forward(z), activation))
                z = outputs[-1][1].mul(masks[index][t]) if masks else outputs[-1][1]
            values = heads.forward(z)
            ff1, ff2 = _tanh(values[:, : 2 * units]).chunk(2, dim=1)
            t_a, t_b = values[:, 2 * units :].chunk(2, dim=1)
            s = torch.addcmul(t_b, t_a, clock[t]).sigmoid_()
            h = torch.lerp(ff1, ff2, s)
            states.append(h)
            tape.append((gates, outputs, ff1, ff2, t_a, s))
        ctx.kept = dense, tape, clock, keep, activation, masks, depth, behind, x.shape[2]
        return torch.stack(states, dim=1), c.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, d_states, d_c):
        dense, tape, clock, keep, activation, masks, depth, behind, features = ctx.kept
        layers, heads, lstm = (
            dense[:depth],
            dense[depth],
            dense[depth + 1] if len(dense) > depth + 1 else None,
        )
        d_h, d_x, d_dt = torch.zeros_like(d_states[:, 0]), [], []
        units = d_h.shape[1]
        for t in reversed(range(len(clock))):
            gates, outputs, ff1, ff2, t_a, s = tape[t]
            d_h = d_h + d_states[:, t]
            d_ff2 = d_h * s
            d_s = _sigmoid_back(d_h * (ff2 - ff1), s)
            d_z = heads.backward(
                torch.cat(
                    [_tanh_back(d_h - d_ff2, ff1), _tanh_back(d_ff2, ff2), d_s * clock[t], d_s],
                    dim=1,
                ),
                t,
            )
            d_dt.append((d_s * t_a).sum(1))
            for index in reversed(range(depth)):
                d_z = d_z.mul_(masks[index][t]) if masks else d_z
                d_z = layers[index].backward(_activate_back(d_z, *outputs[index], activation), t)
            d_entry, d_h = d_z[:, :-units], d_z[:, -units:]
            if lstm:
                i, ig, fg, og, before, seen = gates
                d_seen = d_entry if behind else d_h
                d_c = d_c + _tanh_back(d_seen * og, seen)
                d_gates = [
                    _sigmoid_back(d, gate)
                    for d, gate in ((d_c * i, ig), (d_c * before, fg), (d_seen * seen, og))
                ]
                d_both = lstm.backward(torch.cat([_tanh_back(d_c * ig, i), *d_gates], dim=1), t)
                d_c, d_in, d_own = d_c * fg, d_both[:, :features], d_both[:, features:]
                d_entry, d_h = (d_in, d_own + d_h) if behind else (d_entry + d_in, d_own)
            d_h, d_c = (d_h, d_c) if keep is None else (d_h * keep[t], d_c * keep[t])
            d_x.append(d_entry)
        gradients = [gradient for layer in dense for gradient in (layer.d_weight, layer.d_bias)]
        d_start = torch.cat([d_h, d_c], dim=1)
        return (
            torch.stack(d_x[::-1], dim=1),
            d_start,
            torch.stack(d_dt[::-1], dim=1),
            None,
            None,
            None,
            None,
            None,
            *gradients,
        )


class _Dense:
    """A layer that keeps its inputs for the backward pass, which visits steps in reverse order."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias, self.transposed = (
            weight.detach(),
            bias.detach(),
            weight.detach().t().contiguous(),
        )
        self.sources: list[Tensor] = []
        self.d_weight = self.d_bias = None

    def forward(self, source: Tensor) -> Tensor:
        self.sources.append(source)
        return linear(source, self.weight, self.bias)

    def backward(self, d: Tensor, t: int) -> Tensor:
        """From the gradient of step t's output to that of its source; steps come in reverse
        order."""
        d_weight, d_bias = linear(d.t(), self.sources[t].t()), d.sum(0)
        last = t == len(self.sources) - 1
        self.d_weight, self.d_bias = (
            (d_weight, d_bias) if last else (self.d_weight.add_(d_weight), self.d_bias.add_(d_bias))
        )
        return linear(d, self.transposed)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear` without autograd. oneDNN's product uses the widest vectors on every processor,
    twice as fast as MKL's on AMD."""
    if x.dtype != torch.float32 or x.device.type != "cpu" or not _has_onednn():
        return F.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@functools.lru_cache(maxsize=1)
def _has_onednn() -> bool:
    """Whether this PyTorch has oneDNN's product, a private function that any version may change or
    remove."""
    one = torch.ones(1, 1)
    try:
        return bool(torch.ops.mkldnn._linear_pointwise(one, one, one[0], "none", [], "") == 2)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _dropout(cell: CfcCell, x: Tensor) -> list[Tensor]:
    """Per backbone layer (T, B, H) of 0 and 1 / (1 - dropout), from 16 random bits each. PyTorch's
    own dropout costs as much as a matrix product."""
    bits = np.random.SFC64(int(torch.randint(2**31, ())))
    shape = x.shape[1], x.shape[0], cell.backbone.out_features
    masks = []
    for _ in range(1 + len(cell.deeper)):
        words = torch.from_numpy(
            bits.random_raw(-(-int(np.prod(shape)) // 4))
            .view(np.int16)[: int(np.prod(shape))]
            .reshape(shape)
        )
        kept = words >= round(cell.dropout * 2**16) - 2**15
        masks.append(kept.to(x.dtype).mul_(1 / (1 - cell.dropout)))
    return masks


def _tanh(x: Tensor) -> Tensor:
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


_tanh_back, _sigmoid_back = torch.ops.aten.tanh_backward, torch.ops.aten.sigmoid_backward
"""(gradient of y, y) → gradient of x."""


def _activate(z: Tensor, activation: str) -> tuple[Tensor, Tensor]:
    """(the input of `_activate_back`, the layer's output). May overwrite z."""
    if activation == "silu":
        return z, F.silu(z)
    if activation == "relu":
        return z, torch.relu(z)
    y = _tanh(z.mul_(STEEPNESS) if activation == "lecun_tanh" else z)
    return y, y * AMPLITUDE if activation == "lecun_tanh" else y


def _activate_back(d: Tensor, kept: Tensor, y: Tensor, activation: str) -> Tensor:
    if activation == "silu":
        return torch.ops.aten.silu_backward(d, kept)
    if activation == "relu":
        return torch.ops.aten.threshold_backward(d, kept, 0)
    d = _tanh_back(d, kept)
    return d.mul_(AMPLITUDE * STEEPNESS) if activation == "lecun_tanh" else d
