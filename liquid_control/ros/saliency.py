"""Where the policy looks, on a topic, while it drives: worked out beside the control loop and never
in it. Imports no PyTorch.

A thread of its own takes the picture that was just driven by, at a low rate, and rests nine times
as long as it worked. The control loop only leaves its picture and goes on; what comes too fast is
overwritten. The thread has the process's own priority: with a lower one it could be kept from
running just while it holds the interpreter's lock, and the control loop would wait for it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from liquid_control.deploy.saliency import VisualBackProp
from liquid_control.model.model_file import ModelInfo
from liquid_control.perception.preprocess import preprocess
from liquid_control.report.heat_overlay import lay_over

WIDTH = 320
"""Columns of the overlay; a larger picture is shrunk [px]."""
REST = 9.0
"""Seconds of rest for each second of work."""
SWITCH = 5e-4
"""How long the control loop waits at most before the thread has to hand over the interpreter's lock
[s]; Python's own is ten times that."""


class Gaze:
    """`publish(stamp_ns, overlay)` is called on the thread with each overlay (H, W, 3) uint8 RGB,
    at most `rate` [Hz] times a second.

    `published` and `failures` count overlays, `took` is how long the latest was worked on [s].
    Raises ModelFileError.
    """

    def __init__(
        self, info: ModelInfo, rate: float, publish: Callable[[int, np.ndarray], None]
    ) -> None:
        self._seer, self._config = VisualBackProp.load(info), info.preprocess
        self._publish, self._period = publish, 1.0 / rate
        self._latest: tuple[int, np.ndarray] | None = None
        self._wanted, self._ended = threading.Event(), threading.Event()
        self.published, self.failures, self.took = 0, 0, 0.0
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH))
        self._thread = threading.Thread(target=self._run, name="gaze", daemon=True)
        self._thread.start()

    def offer(self, stamp_ns: int, picture: np.ndarray) -> None:
        """Leaves the picture (H, W, 3) uint8 RGB that was just driven by. Costs the caller two
        assignments; never waits or raises."""
        self._latest = stamp_ns, picture
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
                stamp, picture = self._latest
                saliency = self._seer.saliency(preprocess(picture, self._config))
                self._publish(
                    stamp, lay_over(picture, saliency, self._config, min(WIDTH, picture.shape[1]))
                )
                self.published += 1
            except Exception:  # noqa: BLE001  a debug topic never takes the policy down
                self.failures += 1
            self.took = time.monotonic() - began
            self._ended.wait(max(self._period - self.took, REST * self.took))
