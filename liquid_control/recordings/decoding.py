"""Pictures are decoded ahead of their use by threads, and samples keep their order."""

from __future__ import annotations

import collections
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from liquid_control.errors import ImageError
from liquid_control.recordings.clock import Record
from liquid_control.recordings.values import Sample
from liquid_control.signals import Frame

DECODERS = 2  # threads; OpenCV works outside of Python's lock
AHEAD = 8
"""Pictures that are being decoded or wait to be yielded, which keeps the threads busy."""
QUEUED = 4096  # samples waiting behind a picture

Prepare = Callable[[Frame], object]


def decode_ahead(
    records: Iterable[Record],
    camera: str,
    prepare: Prepare | None,
    skip: Callable[[str], None],
    decode_s: array,
) -> Iterator[tuple[int, Sample | object]]:
    """(received_ns, sample) of each record in their order, pictures as Frames or as what `prepare`
    makes of them.

    `camera`: name of the camera's stream, for messages. `skip` is called with the problem of each
    record that gives no sample. `decode_s`: seconds that each picture took to read, decode and
    prepare are appended to it.
    """

    def frame(record: Record) -> tuple[int, object] | str:
        """(received_ns, frame as prepared), or the problem."""
        began = time.perf_counter()
        entry = record() if callable(record) else record
        if entry.problem:
            return entry.problem
        try:
            made = Frame(entry.stamp_ns, entry.sample.decode())
        except (ImageError, AttributeError, TypeError, ValueError) as error:
            return f"{camera}: {error}"
        made = made if prepare is None else prepare(made)
        decode_s.append(time.perf_counter() - began)
        return entry.received_ns, made

    def result(item: tuple[int, Sample] | Future) -> tuple[int, object] | None:
        done = item.result() if isinstance(item, Future) else item
        if isinstance(done, str):
            return skip(done)
        return done

    waiting: collections.deque[tuple[int, Sample] | Future] = collections.deque()
    pictures = 0
    with ThreadPoolExecutor(DECODERS, thread_name_prefix="pictures") as pool:
        try:
            for record in records:
                if callable(record) or record.role == "camera":
                    waiting.append(pool.submit(frame, record))
                    pictures += 1
                elif record.problem:
                    skip(record.problem)
                elif record.sample is not None:
                    waiting.append((record.received_ns, record.sample))
                while waiting and (pictures > AHEAD or len(waiting) > QUEUED or pictures == 0):
                    item = waiting.popleft()
                    pictures -= isinstance(item, Future)
                    if (ready := result(item)) is not None:
                        yield ready
            for item in waiting:
                if (ready := result(item)) is not None:
                    yield ready
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
