"""Statistics of the vectors that a learning policy meets, by which its inputs are scaled."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LARGEST = 10.0
"""Scaled values are clipped to this many standard deviations."""


class Scale(nn.Module):
    """Mean and standard deviation of all vectors (F,) so far; called, it scales by them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @property
    def std(self) -> Tensor:
        return (self.variance + 1e-8).sqrt()

    def update(self, values: Tensor) -> None:
        """Adds vectors (..., F); those that are not finite are left out."""
        rows = values.flatten(0, -2).double()
        rows = rows[rows.isfinite().all(1)]
        if not rows.numel():
            return
        difference, total = rows.mean(0) - self.mean, self.count + len(rows)
        between = difference.square() * (self.count * len(rows) / total)
        within = self.variance * self.count + rows.var(0, correction=0) * len(rows)
        self.mean += difference * (len(rows) / total)
        self.variance.copy_((within + between) / total)
        self.count.copy_(total)

    def forward(self, values: Tensor) -> Tensor:
        scaled = (values - self.mean.float()) / self.std.float()
        return scaled.clamp(-LARGEST, LARGEST)
