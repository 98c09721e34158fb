"""The crop of a recording's pictures, by the settings or by its camera's calibration."""

from __future__ import annotations

import itertools

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ImageError
from liquid_control.perception.view import Intrinsics, ViewError, ViewSettings, crop_of
from liquid_control.recordings.source import Source
from liquid_control.recordings.values import CALIBRATION

LOOKED_AT = 8  # pictures


def crop_for(source: Source, view: ViewSettings, preprocess: PreprocessConfig) -> PreprocessConfig:
    """`preprocess` with the crop that `view` asks for.

    Raises ViewError where it is asked from the camera and there is no calibrated one, one that sees
    less than the view, or one of another shape than its pictures.
    """
    if view.source == "flags":
        return preprocess
    size = _first_size(source)
    if view.source == "lens" and size is None:
        raise ViewError(source.path, "no picture can be decoded")
    if view.source == "lens":
        camera, name = Intrinsics.of_lens(*size, view.lens), "--view.lens"
    elif source.camera is None:
        raise ViewError(source.path, source.camera_missing)
    else:
        camera, name = source.camera, source.roles[CALIBRATION].name
    try:
        crop = crop_of(camera, view, preprocess)
    except ValueError as error:
        raise ViewError(source.path, f"{name}: {error}") from error
    if size is not None and not camera.fits(*size):
        raise ViewError(source.path, f"{name}: {camera.misfit(*size)}")
    return crop


def _first_size(source: Source) -> tuple[int, int] | None:
    """(height, width) of the first picture, None where none of the first ones can be decoded."""
    for entry in itertools.islice(source.entries(["camera"]), LOOKED_AT):
        try:
            if entry.sample is not None:
                return entry.sample.decode().shape[:2]
        except ImageError:
            continue
    return None
