"""The zygote: imports a job's script once, then forks a worker whenever its agent asks for one.

It is started as a worker is, in the same made-up environment, and runs nothing of the script but the import: `init()`
belongs to each worker. Where forking is not safe (`fork_safety`) it says why and ends; workers are then executed.

One socket that keeps messages apart, JSON in UTF-8:
    zygote -> agent   {"kind": "open"} or {"kind": "refused", "reason"}, once, after the import
    agent -> zygote   {"environment": {…}} with five descriptors: commands, reports, stamp page, stdout, stderr
    zygote -> agent   {"kind": "forked", "pid"} or {"kind": "not_forked", "reason"}, one for each request, in order

Forking is done twice and the process between ends at once, so that the worker becomes the child of the nearest
subreaper, which the agent is while it asks. A worker therefore lives on when the zygote dies, its exit status goes to
the agent, and it dies with the agent's process. Until its start command comes it runs nothing of the script's; the end
of its commands ends it, so one that nobody has heard of cannot stay.
"""

from __future__ import annotations

import _socket
import gc
import json
import os

from batchyard_runtime import faults, fork_safety, logs, openblas, script, worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Values = dict[str, Any]  # Any: JSON

_LARGEST_MESSAGE = 1 << 20
_DESCRIPTORS = 5
_CHUNK = 1 << 16
_MS_CLOEXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)


def serve(arguments: list[str], die_with_parent: Callable[[int], None]) -> None:
    """Import the script, tell the agent, fork on request. Returns in workers alone, after their `end` command.

    arguments: socket's descriptor, agent's pid, code folder, script, log cap in bytes, fault, fault log, the script's
    own arguments.
    """
    socket_fd, parent_pid, code_dir, name, cap_bytes, fault, fault_log, *own = arguments
    os.set_inheritable(int(socket_fd), False)
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, int(socket_fd))
    reach = faults.from_plan(fault, fault_log) or _ignore
    logs.capture(int(cap_bytes))
    threads = openblas.import_with_one_thread()
    scored = _import(control, code_dir, name, own)
    gc.freeze()  # What was imported is shared with the workers until somebody writes to it: collecting would.
    reach("zygote.imported")
    _tell(control, {"kind": "open"})
    while True:
        request, fds = _hear(control)
        reach("zygote.asked")
        pid, reason = _fork()
        if pid == 0 and not reason:
            break
        for fd in fds:
            os.close(fd)
        reach("zygote.forked")
        _tell(control, {"kind": "not_forked", "reason": reason} if reason else {"kind": "forked", "pid": pid})
    control.close()
    command_fd, report_fd, stamp_fd, *streams = fds
    _take_over_streams(streams)
    fork_safety.become_another(request["environment"])
    openblas.give_threads(threads)
    worker.work(command_fd, report_fd, stamp_fd, scored, lambda: die_with_parent(int(parent_pid)))


def _import(control: _socket.socket, code_dir: str, name: str, arguments: list[str]) -> script.Script:
    """Import the script, or tell why workers have to do it themselves, and end."""
    before = fork_safety.Before()
    try:
        scored = script.load(code_dir, name, before.watched(arguments))
        reason = before.reason_against_forking()
    except BaseException as exc:  # noqa: BLE001 - a worker that imports it again will tell the whole story
        reason = "its import failed (%s)" % type(exc).__name__
    before.forget()
    logs.flush()
    if reason:
        _tell(control, {"kind": "refused", "reason": reason})
        os._exit(0)
    return scored


def _fork() -> tuple[int, str]:
    """Fork a worker that is not our child; give its pid, 0 in the worker itself, or why there is none."""
    read, write = os.pipe()
    try:
        between = os.fork()
    except OSError as exc:
        os.close(read)
        os.close(write)
        return 0, "it cannot be forked: %s" % exc
    if between:
        os.close(write)
        told = os.read(read, 32)
        os.close(read)
        os.waitpid(between, 0)
        return (int(told), "") if told else (0, "it could not be forked")
    try:
        pid = os.fork()
        if pid:
            os.write(write, b"%d" % pid)
    except BaseException:  # noqa: BLE001 - whoever returned from here would be a second zygote
        os._exit(1)
    if pid:
        os._exit(0)
    os.close(read)
    os.close(write)
    os.setsid()
    return 0, ""


def _take_over_streams(streams: list[int]) -> None:
    """Put the worker's own stdout and stderr in the place of the zygote's; what the import has printed comes first."""
    output, errors = streams
    for own, number in ((output, 1), (errors, 2)):
        at = 0
        while True:
            printed = os.pread(number, _CHUNK, at)
            if not printed:
                break
            at += os.write(own, printed)
        os.dup2(own, number)
        os.close(own)


def _tell(control: _socket.socket, values: Values) -> None:
    try:
        control.send(json.dumps(values).encode("ascii"))
    except OSError:
        os._exit(0)  # The agent is gone.


def _hear(control: _socket.socket) -> tuple[Values, list[int]]:
    """Wait for the next request and its descriptors; end when the agent is gone."""
    room = _socket.CMSG_SPACE(4 * _DESCRIPTORS)
    message, attached, _, _ = control.recvmsg(_LARGEST_MESSAGE, room, _MS_CLOEXEC)
    if not message:
        os._exit(0)
    fds = [fd for _, _, data in attached for fd in memoryview(data).cast("i")]
    return json.loads(message), fds


def _ignore(point: str) -> None:  # noqa: ARG001 - the shape of what is told of fault points
    return
