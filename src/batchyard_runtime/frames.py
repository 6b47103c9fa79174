"""The protocol between an agent and its worker: length-prefixed frames on two pipes of their own.

A frame is two little-endian u32, length of header and length of body, then the header, a JSON object in UTF-8, then
the body, raw bytes. Prints of a script go elsewhere and cannot disturb it. The first frame each way carries `protocol`;
a side that meets another version than its own refuses. Whatever is malformed or unknown is a failure, never success;
so is the end of a channel: a worker whose commands end exits at once, a worker whose reports end is dead.

Commands, agent to worker (`kind`):
    start   first; the keys of `worker.work`, which only reads them
    listing input_root, paths, index, items, mini_batch_size, starts: what is scored (see `listing`), before any lease
    lease   id, first, count, attempt, ticket (see `stamp`), items, run_items: score mini-batches first..first+count-1;
            items: [start, stop) of the one mini-batch's items, or null for all of them; run_items: call `run()` on at
            most that many items, 0 for no limit
    end     run `shutdown()` and exit

Reports, worker to agent (`kind`):
    ready         protocol, init_s: the script is imported and `init()` returned
    start_failed  stage ("protocol", "import", "init"), class, error, message, stack: the worker exits
    done          lease, segments, failures, seconds, spent; one for each lease, in the order of the leases
                  spent: memory did not suffice, the worker exits; the rest of the lease was not started
                  segment: [first, mini-batches, offset, crc, rows, succeeded, [[mini-batch, missing]…],
                            [[mini-batch, folder]…], number of the part file (see `schema_parts`)]
                  a mini-batch whose result was short (fewer elements than items) is a segment of its own
                  failure: [mini-batch, class, error, message, stack]
                  body: u64 for each mini-batch of each segment, the bytes of its rows
                  mini-batches in neither were not started; they are the last ones of the lease
    writes_failed message: rows could not be written (full disk); the worker exits
"""

from __future__ import annotations

import json
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 3
_HEAD = struct.Struct("<II")
_LARGEST_HEADER_BYTES = 256 << 20
_LARGEST_BODY_BYTES = 1 << 30


class BadFrame(Exception):
    """What came is not a frame of this protocol; nothing after it can be trusted."""


def encode(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Give the bytes of a frame. header: values of JSON; text may hold lone surrogates."""
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    return _HEAD.pack(len(text), len(body)) + text + body


class Decoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Add what was read."""
        self._bytes += chunk

    def take(self) -> tuple[dict[str, Any], bytes] | None:
        """Give the next whole frame as (header, body), or None when more bytes are needed. Raises: BadFrame."""
        if len(self._bytes) < _HEAD.size:
            return None
        header_bytes, body_bytes = _HEAD.unpack_from(self._bytes)
        if header_bytes > _LARGEST_HEADER_BYTES or body_bytes > _LARGEST_BODY_BYTES:
            raise BadFrame("a frame claims %d bytes of header and %d of body" % (header_bytes, body_bytes))
        stop = _HEAD.size + header_bytes + body_bytes
        if len(self._bytes) < stop:
            return None
        text = bytes(self._bytes[_HEAD.size : _HEAD.size + header_bytes])
        body = bytes(self._bytes[_HEAD.size + header_bytes : stop])
        del self._bytes[:stop]
        return _header(text), body

    @property
    def is_torn(self) -> bool:
        """Whether bytes of an unfinished frame are left."""
        return bool(self._bytes)


class Channel:
    """The worker's two ends. Both block; both are kept from the script's own children."""

    def __init__(self, command_fd: int, report_fd: int) -> None:
        self._command_fd = command_fd
        self._report_fd = report_fd
        self._decoder = Decoder()
        os.set_inheritable(command_fd, False)
        os.set_inheritable(report_fd, False)

    def read(self) -> dict[str, Any] | None:
        """Wait for the next command; None when the agent is gone. Raises: BadFrame."""
        while True:
            frame = self._decoder.take()
            if frame is not None:
                return frame[0]
            chunk = os.read(self._command_fd, 1 << 16)
            if not chunk:
                return None
            self._decoder.feed(chunk)

    def write(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send a report. Raises: BrokenPipeError when the agent is gone."""
        rest = memoryview(encode(header, body))
        while rest:
            rest = rest[os.write(self._report_fd, rest) :]

    def close(self) -> None:
        """Close both ends: in a process that the script forked, which must never speak for the worker."""
        os.close(self._command_fd)
        os.close(self._report_fd)


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadFrame("a frame's header is not JSON: %s" % exc) from exc
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise BadFrame("a frame's header is not an object with a kind")
    return header
