"""Having a sample scored by the server: what `invoke --estimate` and `batch-deployment tune` rest on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchyard.cli.failures import CommandFailed, UsageMistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.deployments import ExecutionSettings
    from batchyard.domain.forecast.calibration import Calibration, SampleWish
    from batchyard.domain.jobs import Invocation

_POLL_S = 0.25
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a sample told, and of which deployment."""

    told: Calibration
    deployment: str
    revision: int


def calibrate(server: Server, invocation: Invocation, wish: SampleWish) -> Calibrated:
    """Have a sample scored and wait for what it tells. Raises: CommandFailed when it could not be scored."""
    from batchyard.wire.calibrations import calibration_to_body, told_from_arm

    headers = {"azureml-model-deployment": invocation.deployment} if invocation.deployment else {}
    place = server.path("batchEndpoints", invocation.endpoint, "calibrations")
    answer = server.request("POST", place, body=calibration_to_body(invocation, wish), headers=headers)
    link = answer.headers["location"]
    while (found := server.get(link).body)["status"] in ("Running", "InProgress"):
        server.sleep(_POLL_S)
    told = told_from_arm(found)
    if told is None:
        error = found.get("error") or {}
        raise CommandFailed(f"The sample could not be scored: ({error.get('code')}) {error.get('message')}")
    properties = found["properties"]
    return Calibrated(told, str(properties["deployment"]), int(properties["deploymentRevision"]))


def refuse_failed(told: Calibration, settings: ExecutionSettings) -> None:
    """Let a calibration pass of which something could be scored. Raises: CommandFailed with the first failure.

    settings: those that the sample was scored with, for what a job would do with what failed.
    """
    from batchyard.domain.forecast.preflight import remedy_of

    if told.succeeded:
        return
    if not told.items:
        raise CommandFailed("The input has no files.")
    if not told.failures:
        raise CommandFailed("Nothing of the sample was scored within its time; give it more with --sample-time.")
    first = told.failures[0]
    where = f" of {first.item!r}" if first.item else " of import or init()"
    stack = f"\n{first.stack.rstrip()}" if first.stack else ""
    remedy = f"\n{remedy_of(told.runs, settings)}" if told.runs else ""
    raise CommandFailed(
        f"Nothing of the sample could be scored; the first failure{where}: "
        f"({first.error_class}) {first.error}: {first.message}{stack}{remedy}"
    )


def sample_of(text: str | None) -> tuple[int, float]:
    """Read `--sample`, a number of items or a percentage, as items and percent. Raises: UsageMistake."""
    given = (text or "1%").strip()
    share = _SHARE.fullmatch(given)
    if share is not None and 0 < float(share[1]) <= 100:
        return 1, float(share[1])
    if given.isdecimal() and int(given) >= 1:
        return int(given), 0.0
    raise UsageMistake(f"--sample is {given!r}, must be a number of items such as 100, or a part of them such as 1%.")


def seconds_of(text: str | None, *, flag: str, default: float) -> float:
    """Read a flag's number of seconds. Raises: UsageMistake."""
    try:
        seconds = default if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageMistake(f"{flag} is {text!r}, must be a number of seconds, more than 0.")
    return seconds


def duration_text(seconds: float) -> str:
    """Give a duration as people say it: `9.4 s`, `2 min 5 s`, `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def bytes_text(count: float) -> str:
    """Give a number of bytes as people say it: `812 MiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit != "GiB" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
