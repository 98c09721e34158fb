"""Saliency of a policy's encoder: VisualBackProp on its maps, with numpy from the saved weights.
Never imports torch.

Bojarski et al., "VisualBackProp: efficient visualization of CNNs", 2016, as Lechner et al. 2020
apply it: the mean over the channels of the last map is enlarged to the map before and multiplied
with that map's own mean, and so on back to the picture. It shows what the convolutions respond to,
all features together, and does not include the weights that the core gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.errors import MissingDependencyError, ModelFileError
from liquid_control.model.encoders import STRIDES
from liquid_control.model.model_file import ModelInfo, read_model


class VisualBackProp:
    """`weights`: per convolution (out, in, k, k) and bias (out,), float32; `strides` as in
    `model.encoders`."""

    def __init__(
        self, weights: Sequence[tuple[np.ndarray, np.ndarray]], strides: Sequence[tuple[int, int]]
    ) -> None:
        self._layers = [
            (np.ascontiguousarray(kernel.reshape(len(kernel), -1).T), bias, kernel.shape[2], stride)
            for (kernel, bias), stride in zip(weights, strides, strict=True)
        ]

    @classmethod
    def load(cls, model: str | Path | ModelInfo) -> VisualBackProp:
        """The encoder of a model directory. Raises ModelFileError, and MissingDependencyError
        without safetensors."""
        try:
            import safetensors.numpy
        except ImportError as error:
            raise MissingDependencyError(
                "safetensors", "Saliency reads the weights with it: pip install safetensors"
            ) from error

        info = model if isinstance(model, ModelInfo) else read_model(model)
        tensors = safetensors.numpy.load(info.weights_path.read_bytes())
        strides = STRIDES[info.policy.encoder]
        names = [f"encoder.convolutions.{2 * layer}" for layer in range(len(strides))]
        missing = [name for name in names if f"{name}.weight" not in tensors]
        if missing:
            raise ModelFileError(
                info.weights_path,
                f"has no {missing[0]}.weight",
                "Copy the whole model directory again",
            )
        return cls(
            [(tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names], strides
        )

    def maps(self, image: np.ndarray) -> list[np.ndarray]:
        """Output of each convolution for image (h, w, 3) uint8 RGB: (rows, columns, channels)
        float32 after its ReLU."""
        pixels = image.astype(np.float32)
        pixels -= pixels.mean()
        pixels /= max(
            float(np.sqrt(np.mean(np.square(pixels)))), 1.0
        )  # as the encoder does, see policy.encoder.standardise
        maps = []
        for matrix, bias, size, stride in self._layers:
            pixels = convolve(pixels, matrix, bias, size, stride)
            maps.append(pixels)
        return maps

    def saliency(self, image: np.ndarray) -> np.ndarray:
        """(h, w) float32 in 0..1 for image (h, w, 3) uint8 RGB; all zeros where the encoder
        responds to nothing."""
        means = [layer.mean(axis=2) for layer in self.maps(image)]
        return scaled(
            propagate_back(means, [stride for *_, stride in self._layers], image.shape[:2])
        )


def propagate_back(
    means: Sequence[np.ndarray], strides: Sequence[tuple[int, int]], size: tuple[int, int]
) -> np.ndarray:
    """VisualBackProp from the channel means (h_i, w_i) of each map, first to last, to a picture of
    `size` (rows, columns); `strides` are those of the convolutions that made the maps."""
    saliency = means[-1]
    for mean, stride in zip(means[-2::-1], strides[:0:-1], strict=True):
        saliency = mean * enlarge(saliency, stride, mean.shape)
    return enlarge(saliency, strides[0], size)


def scaled(saliency: np.ndarray) -> np.ndarray:
    """Least to most as 0..1; a map without differences is all zeros."""
    low, high = float(saliency.min()), float(saliency.max())
    return (saliency - low) / (high - low) if high > low else np.zeros_like(saliency)


def convolve(
    pixels: np.ndarray, matrix: np.ndarray, bias: np.ndarray, size: int, stride: tuple[int, int]
) -> np.ndarray:
    """ReLU of a padded convolution: pixels (h, w, in), matrix (in k k, out) → (⌈h/s⌉, ⌈w/s⌉,
    out)."""
    half = size // 2
    padded = np.pad(pixels, ((half, half), (half, half), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))[
        :: stride[0], :: stride[1]
    ]
    rows, columns = windows.shape[:2]  # (rows, columns, in, k, k)
    # einsum stays in the thread that calls it; a matrix product would wake BLAS threads, which take
    # cores from a robot's control loop
    product = np.einsum("pk,kc->pc", windows.reshape(rows * columns, -1), matrix)
    return np.maximum(product + bias, 0.0).reshape(rows, columns, -1)


def enlarge(saliency: np.ndarray, stride: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Linear interpolation back to `size` (rows, columns) before a strided convolution. Value i is
    at place i * stride, where its kernel was centred; resizing by the pictures' corners instead
    would move the map by half a pixel in every layer, down and to the right."""
    back = np.array([[1 / stride[1], 0.0, 0.0], [0.0, 1 / stride[0], 0.0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        np.ascontiguousarray(saliency, np.float32),
        back,
        (size[1], size[0]),
        flags=flags,
        borderMode=cv2.BORDER_REPLICATE,
    )
