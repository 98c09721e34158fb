"""Pictures and videos as part of a page: data URIs."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

EMBED_UP_TO = 12_000_000
"""A larger video stays a file in the page's folder, and the page refers to it by name [bytes]."""


def data_uri(kind: str, content: bytes) -> str:
    """Bytes of a media type such as "image/png" as the source of an element."""
    return f"data:{kind};base64," + base64.b64encode(content).decode()


def jpeg_source(picture: np.ndarray, quality: int) -> str:
    """A picture (H, W, 3) uint8 BGR as the source of an <img>; `quality` 0 to 100."""
    encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return data_uri("image/jpeg", encoded.tobytes())


def video_source(path: Path) -> str:
    """An MP4 file as the source of a <video>: its bytes up to EMBED_UP_TO, its name above."""
    if path.stat().st_size > EMBED_UP_TO:
        return path.name
    return data_uri("video/mp4", path.read_bytes())
