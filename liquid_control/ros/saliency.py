"""Publishes saliency from a separate thread, so that it never delays control. Imports no PyTorch.

The thread takes the latest picture that the policy used, at a low rate, and rests nine times as
long as it worked; pictures in between are overwritten. It has the priority of the process: at a
lower one it might be preempted while it holds the interpreter's lock, and the control loop would
wait for it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.saliency import VisualBackProp
from liquid_control.model.model_file import ModelInfo
from liquid_control.perception.observer import preprocess
from liquid_control.report.heat_overlay import lay_over

WIDTH = 320
"""Columns of the overlay; a larger picture is shrunk [px]."""
REST = 9.0
"""Seconds of rest for each second of work."""
SWITCH = 5e-4
"""Longest wait of the control loop for the interpreter's lock [s]; Python's default is ten times
longer."""


class SaliencyThread:
    """Calls `publish(stamp_ns, overlay)` in its thread with each overlay (H, W, 3) uint8 RGB, at
    most `rate` [Hz] times per second.

    `published` and `failures` count overlays, `elapsed` is the work on the latest [s]. Raises
    ModelFileError.
    """

    def __init__(
        self, info: ModelInfo, rate: float, publish: Callable[[int, np.ndarray], None]
    ) -> None:
        self._saliency, self._own = VisualBackProp.load(info), info.preprocess
        self._publish, self._period = publish, 1.0 / rate
        self._latest: tuple[int, np.ndarray, PreprocessConfig] | None = None
        self._wanted, self._ended = threading.Event(), threading.Event()
        self.published, self.failures, self.elapsed = 0, 0, 0.0
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH))
        self._thread = threading.Thread(target=self._run, name="saliency", daemon=True)
        self._thread.start()

    def offer(
        self, stamp_ns: int, picture: np.ndarray, crop: PreprocessConfig | None = None
    ) -> None:
        """Hands over the picture (H, W, 3) uint8 RGB of the latest step, and how it was cropped
        (None: as the model says). Costs the caller two assignments; never waits or raises."""
        self._latest = stamp_ns, picture, crop or self._own
        self._wanted.set()

    def close(self) -> None:
        """Ends the thread; an overlay under way is finished first."""
        self._ended.set()
        self._wanted.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._ended.is_set():
                return
            self._wanted.clear()
            began = time.monotonic()
            try:
                stamp, picture, crop = self._latest
                saliency = self._saliency.saliency(preprocess(picture, crop))
                self._publish(
                    stamp, lay_over(picture, saliency, crop, min(WIDTH, picture.shape[1]))
                )
                self.published += 1
            except Exception:  # noqa: BLE001  a debug topic never takes the policy down
                self.failures += 1
            self.elapsed = time.monotonic() - began
            self._ended.wait(max(self._period - self.elapsed, REST * self.elapsed))
