"""Frames: whatever the pieces they come in, and whatever is malformed."""

from __future__ import annotations

import struct

import pytest

from batchyard_runtime.frames import BadFrame, Decoder, encode


def test_frames_survive_being_cut_at_every_byte() -> None:
    stream = encode({"kind": "a", "name": "\udcff\n"}) + encode({"kind": "b"}, b"\0body")
    for cut in range(len(stream)):
        decoder = Decoder()
        taken = []
        for piece in (stream[:cut], stream[cut:]):
            decoder.feed(piece)
            while (frame := decoder.take()) is not None:
                taken.append(frame)
        assert taken == [({"kind": "a", "name": "\udcff\n"}, b""), ({"kind": "b"}, b"\0body")]


@pytest.mark.parametrize(
    "stream",
    [
        b"\xff" * 8,
        struct.pack("<II", 3, 0) + b"{}}",
        struct.pack("<II", 2, 0) + b"[]",
        struct.pack("<II", 2, 0) + b"{}",
        struct.pack("<II", 10, 0) + b'{"kind":1}',
        struct.pack("<II", 2, 0) + b"\xff\xff",
    ],
)
def test_what_is_not_a_frame_is_refused(stream: bytes) -> None:
    decoder = Decoder()
    decoder.feed(stream)
    with pytest.raises(BadFrame):
        decoder.take()
