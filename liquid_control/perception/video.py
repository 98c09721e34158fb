"""Video as messages hold it: one packet each of H.264, H.265, VP9 or AV1, decoded in order."""

from __future__ import annotations

from liquid_control.errors import MissingDependencyError

try:
    import av
except ImportError as error:
    raise MissingDependencyError(
        "av", "Video is decoded by PyAV. Install the bags extra: pip install 'liquid_control[bags]'"
    ) from error

av.logging.set_level(av.logging.PANIC)  # libav's own lines; what is wrong is raised
WAITING = 32  # packets that a picture may wait for


class VideoDecoder:
    """The decoder of one stream. A packet depends on those before it, so all of them are pushed."""

    def __init__(self, codec: str) -> None:
        """`codec`: a key of `perception.picture_files.VIDEO`."""
        self._codec = codec
        self._number = 0
        self._tags: dict[int, object] = {}
        self._reset()

    def _reset(self) -> None:
        self._decoder = av.CodecContext.create(self._codec, "r")
        self._decoder.thread_count = 1  # several would hold pictures back
        self._decoder.options = {"err_detect": "explode"}

    def push(self, data: memoryview | None, tag: object = None) -> list[tuple]:
        """(tag, (H, W, 3) uint8 RGB) of each picture that this packet completes, with the tag of
        the packet that the picture came in; (tag, None) of packets that give no picture. None in
        place of the last packet gives what is still held.

        Several come at once where the encoder sends pictures in another order than they are shown
        in. Before the first complete picture, and after a packet that cannot be decoded until the
        next one, there is none.
        """
        packet = None
        if data is not None:
            packet = av.Packet(bytes(data))
            packet.pts = packet.dts = self._number
            self._tags[self._number] = tag
            self._number += 1
        try:
            shown = [
                (self._tags.pop(frame.pts, None), frame.to_ndarray(format="rgb24"))
                for frame in self._decoder.decode(packet)
                if not frame.is_corrupt
            ]
        except (av.FFmpegError, ValueError):
            shown = []
            self._reset()
            return shown + self._given_up(0)
        return shown + self._given_up(0 if data is None else WAITING)

    def _given_up(self, waiting: int) -> list[tuple]:
        numbers = [number for number in self._tags if number < self._number - waiting]
        return [(self._tags.pop(number), None) for number in numbers]
