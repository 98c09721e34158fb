"""From a camera image to features: convolutional encoders that take uint8 pictures as they are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.encoders import STRIDES


class SlimEncoder(nn.Module):
    """Four strided convolutions for small images (some 35,000 parameters at 32x64 with 29
    features).

    (N, h, w, 3) uint8 RGB → (N, features) in -1..1. `size`: kernel of the first convolution.
    """

    def __init__(
        self, height: int, width: int, features: int, kind: str = "slim", size: int = 5
    ) -> None:
        super().__init__()
        if features < 2:
            raise ConfigError(
                "PolicyConfig.image_features",
                features,
                "at least 2, because they are normalised against each other",
            )
        strides = STRIDES[kind]
        sizes = _sizes(height, width, strides)
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 16, size, strides[0], size // 2),
            nn.ReLU(),
            nn.Conv2d(16, 24, 3, strides[1], 1),
            nn.ReLU(),
            nn.Conv2d(24, 32, 3, strides[2], 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, strides[3], 1),
            nn.ReLU(),
        )
        self.linear = nn.Linear(32 * sizes[-1][0] * sizes[-1][1], features)
        self.norm = nn.LayerNorm(features)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.convolutions(standardise(image))
        return torch.tanh(self.norm(self.linear(maps.flatten(1))))


class StridedEncoder(SlimEncoder):
    """`SlimEncoder` for pictures of twice its size at nearly its cost: the first convolution
    shrinks them by four.

    Four times as many pixels carry four times as many looks at a noisy road, which the first layer
    learns to add up.
    """

    def __init__(self, height: int, width: int, features: int) -> None:
        super().__init__(height, width, features, "strided", 7)


class PublishedEncoder(nn.Module):
    """The convolutional head of the neural circuit policy (Lechner et al. 2020, Table 2): 79,420
    parameters at 78x200 with 32 features.

    Each of the last convolution's 8 maps has a separate linear layer. The features are normalised
    without parameters so that they fit the range of the sensory neurons. (N, h, w, 3) uint8 RGB →
    (N, features) in -1..1.
    """

    MAPS = 8

    def __init__(self, height: int, width: int, features: int) -> None:
        super().__init__()
        if features % self.MAPS:
            raise ConfigError(
                "PolicyConfig.image_features",
                features,
                f"a multiple of {self.MAPS}, the published encoder's maps",
            )
        strides = STRIDES["published"]
        sizes = _sizes(height, width, strides)
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 24, 5, strides[0], 2),
            nn.ReLU(),
            nn.Conv2d(24, 36, 5, strides[1], 2),
            nn.ReLU(),
            nn.Conv2d(36, 48, 3, strides[2], 1),
            nn.ReLU(),
            nn.Conv2d(48, 64, 3, strides[3], 1),
            nn.ReLU(),
            nn.Conv2d(64, self.MAPS, 3, strides[4], 1),
            nn.ReLU(),
        )
        self.linears = nn.ModuleList(
            nn.Linear(sizes[-1][0] * sizes[-1][1], features // self.MAPS) for _ in range(self.MAPS)
        )

    def forward(self, image: Tensor) -> Tensor:
        maps = self.convolutions(standardise(image)).flatten(2)  # (N, 8, pixels)
        features = torch.cat([linear(maps[:, i]) for i, linear in enumerate(self.linears)], dim=1)
        return torch.tanh(F.layer_norm(features, features.shape[1:]))


ENCODERS = {"strided": StridedEncoder, "slim": SlimEncoder, "published": PublishedEncoder}
"""Encoder by its name in `PolicyConfig.encoder`; each is built from height, width and features."""


def standardise(image: Tensor) -> Tensor:
    """(N, h, w, 3) uint8 → (N, 3, h, w) float with mean 0 and deviation 1 over each image, all
    channels together.

    A deviation below one grey level counts as one, so a black image stays finite.
    """
    pixels = image.permute(0, 3, 1, 2).float()
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = pixels - mean
    deviation = pixels.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return pixels / deviation.clamp_min(1.0)


def _sizes(height: int, width: int, strides: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """(rows, columns) after each padded convolution: divided by the stride, rounded up."""
    sizes = []
    for rows, columns in strides:
        height, width = -(-height // rows), -(-width // columns)
        sizes.append((height, width))
    return sizes
