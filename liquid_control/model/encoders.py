"""Encoders that exist: the strides of their convolutions. No torch, so that saliency on a robot
reads the same numbers as the network."""

from __future__ import annotations

STRIDES = {
    "strided": ((4, 4), (2, 2), (2, 2), (2, 1)),
    "slim": ((2, 2), (2, 2), (2, 2), (2, 1)),
    "published": ((2, 2), (2, 2), (2, 2), (1, 1), (1, 1)),
}
"""Rows and columns that each convolution of an encoder steps by; each pads half its kernel and is
followed by a ReLU. The first two keep the columns in their last convolution: columns carry where
the lane is."""
