"""The cameras of a batch of twin worlds: the numba kernel on the CPU, triton's on a GPU, PyTorch on
another device or where triton is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.policy.kernels.cpu.thread_pool import run_blocks
from liquid_control.sim.batched import camera_cpu, camera_torch
from liquid_control.sim.batched.looks import Looks, looks_of
from liquid_control.sim.batched.places import Places
from liquid_control.sim.batched.views import VIEW, focal_length, mounts, views


class LaneCamera:
    """Draws a policy's pictures of `image`. Raises ConfigError for one that crops: the twin draws
    what the policy sees, not what the camera sees."""

    def __init__(
        self, places: Places, trees: int, image: PreprocessConfig, device: torch.device
    ) -> None:
        if image != PreprocessConfig(image.height, image.width):
            raise ConfigError("image", "a crop", "none in the twin")
        self._size, self._focal = (image.height, image.width), focal_length(image.height)
        table = places.table
        self._samples, self._width = table.samples, table.width
        looks = looks_of(places.drawn, trees)
        cars = mounts([one.parameters for one in places.drawn])
        self._rows, self._stations, self._mounts = (
            torch.tensor(one, device=device) for one in (table.rows, table.stations, cars)
        )
        self._looks = Looks(*(torch.tensor(one, device=device) for one in looks))
        self._arrays, self._drawing = looks, _drawing(device)

    def draw(self, state: Tensor, road: Tensor, kind: Tensor, compiled: bool) -> Tensor:
        """Pictures (n, h, w, 3) uint8 RGB of cars in states (n, STATE) on roads (n,), each with the
        mount of its kind (n,). `compiled`: by the kernels, which need tensors on the CPU."""
        mount = self._mounts[kind]
        if not compiled:
            view = camera_torch.views(state, mount)
            place = (self._rows, self._samples, self._stations, self._width)
            return self._drawing(view, road, *place, self._looks, self._focal, self._size)
        count, threads = len(state), torch.get_num_threads()
        view, depth = torch.empty(count, VIEW), torch.empty(count, *self._size)
        image = torch.empty(count, *self._size, 3, dtype=torch.uint8)
        views(0, count, state.numpy(), mount.numpy(), view.numpy())
        run_blocks(
            camera_cpu.draw,
            count,
            threads,
            view.numpy(),
            road.numpy(),
            self._rows.numpy(),
            self._samples,
            self._stations.numpy(),
            self._width,
            self._arrays,
            self._focal,
            depth.numpy(),
            image.numpy(),
        )
        return image


def _drawing(device: torch.device) -> Callable[..., Tensor]:
    """What draws on a device other than the CPU."""
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return camera_torch.draw
    from liquid_control.sim.batched import camera_gpu

    return camera_gpu.draw
