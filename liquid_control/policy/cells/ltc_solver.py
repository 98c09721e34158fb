"""The LTC solver over a whole sequence, with its backward pass written out.

Autograd would record many operations on tiny matrices and sum the weights' gradients step by step.
Here the backward loop carries only the gradient of the voltages, and the weights' gradients are one
matrix product over all steps: equal numbers, about three times as fast.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def solve_sequence(
    v: Tensor,
    capacitance: Tensor,
    constant: Tensor,
    keep: Tensor | None,
    mask: Tensor | None,
    matrices: tuple[Tensor, Tensor, Tensor],
    unfolds: int,
) -> Tensor:
    """Voltages after each input, (B, T, U).

    v (B, U) at the start; capacitance cm/Δ (B, T, U); constant (B, T, 2U), the parts of numerator
    and denominator that do not depend on v; keep (B, T, 1) multiplies the voltages before each
    input (0 restarts a sequence); mask (B, T) false leaves them as they were; matrices slope (U,
    S), offset (S,), conductance (S, 2U) of the recurrent synapses. Differentiable once.
    """
    keep = None if keep is None else keep.transpose(0, 1)
    mask = None if mask is None else mask.bool().T.unsqueeze(-1)
    capacitance, constant = (part.transpose(0, 1).contiguous() for part in (capacitance, constant))
    states = _Solve.apply(v, capacitance, constant, keep, mask, *matrices, unfolds)
    return states.transpose(0, 1)


class _Solve(torch.autograd.Function):
    """Time-major. Substep n of input t: activation a = σ(v slope + offset), v' = (cm/Δ v +
    numerator) / denominator with [numerator | denominator] = constant + a conductance. What a loop
    touches is allocated and sliced before it."""

    @staticmethod
    def forward(ctx, v, capacitance, constant, keep, mask, slope, offset, conductance, unfolds):
        time, batch, neurons = capacitance.shape
        steps = time * unfolds
        activations, sums = (
            v.new_empty(steps, batch, len(offset)),
            v.new_empty(steps, batch, 2 * neurons),
        )
        before, after = v.new_empty(steps, batch, neurons), v.new_empty(steps, batch, neurons)
        numerators, denominators = (half.unbind() for half in sums.split(neurons, dim=2))
        a, s, into, out = activations.unbind(), sums.unbind(), before.unbind(), after.unbind()
        c, k, states = capacitance.unbind(), constant.unbind(), [v] * time
        for n in range(steps):
            t = n // unfolds
            v = v * keep[t] if keep is not None and n % unfolds == 0 else v
            into[n].copy_(v)
            torch.addmm(offset, v, slope, out=a[n]).sigmoid_()
            torch.addmm(k[t], a[n], conductance, out=s[n])
            v = torch.addcmul(numerators[n], c[t], v, out=out[n]).div_(denominators[n])
            if mask is not None and (n + 1) % unfolds == 0:
                v = states[t] = torch.where(mask[t], v, into[n + 1 - unfolds])
        ctx.save_for_backward(
            capacitance, keep, mask, slope, conductance, activations, sums, before, after
        )
        return after[unfolds - 1 :: unfolds].clone() if mask is None else torch.stack(states)

    @staticmethod
    @once_differentiable
    def backward(ctx, d_states):
        capacitance, keep, mask, slope, conductance, activations, sums, before, after = (
            ctx.saved_tensors
        )
        steps, batch, neurons = before.shape
        time = len(capacitance)
        unfolds = steps // time
        inverse = sums[..., neurons:].reciprocal()
        d_sums, d_v = torch.empty_like(sums), torch.zeros_like(before[0])
        d_inner = torch.addcmul(
            activations, activations, activations, value=-1
        )  # σ' now, dL/d(v slope + offset) after the loop
        numerators, denominators = (half.unbind() for half in d_sums.split(neurons, dim=2))
        i, ratio, both, inner, d_out = (
            inverse.unbind(),
            (-after).unbind(),
            d_sums.unbind(),
            d_inner.unbind(),
            d_states.unbind(),
        )
        c, slope_t, conductance_t = (
            capacitance.unbind(),
            slope.T.contiguous(),
            conductance.T.contiguous(),
        )
        for n in reversed(range(steps)):
            t = n // unfolds
            if (n + 1) % unfolds == 0:
                d_v = d_v + d_out[t]
                d_skipped = None if mask is None else d_v * ~mask[t]
                d_v = d_v if mask is None else d_v * mask[t]
            torch.mul(d_v, i[n], out=numerators[n])
            torch.mul(numerators[n], ratio[n], out=denominators[n])
            inner[n].mul_(torch.mm(both[n], conductance_t))
            d_v = torch.addmm(numerators[n] * c[t], inner[n], slope_t)
            if n % unfolds == 0:
                d_v = d_v if mask is None else d_v + d_skipped
                d_v = d_v if keep is None else d_v * keep[t]
        d_capacitance = (d_sums[..., :neurons] * before).unflatten(0, (time, unfolds)).sum(1)
        d_constant = d_sums.unflatten(0, (time, unfolds)).sum(1)
        flat = d_inner.flatten(0, 1)
        d_slope, d_offset = before.flatten(0, 1).T @ flat, flat.sum(0)
        d_conductance = activations.flatten(0, 1).T @ d_sums.flatten(0, 1)
        return d_v, d_capacitance, d_constant, None, None, d_slope, d_offset, d_conductance, None
