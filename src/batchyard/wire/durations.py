"""ISO-8601 durations (`PT30S`, `PT5M`, `P1DT2H`, `PT0.5S`) and seconds."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_DURATION = re.compile(
    r"P(?:(?P<w>\d+)W|(?=\d|T\d)(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?)",
    re.ASCII,
)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def seconds_from_iso(text: str) -> float | None:
    """Read a duration as seconds, or None when it is not one. Years and months have no fixed length: not read."""
    found = _DURATION.fullmatch(text.strip().upper())
    if found is None:
        return None
    seconds = float(sum((Decimal(found[unit] or 0) * size for unit, size in _SECONDS.items()), Decimal(0)))
    return seconds if math.isfinite(seconds) else None


def iso_from_seconds(seconds: float) -> str:
    """Write seconds (0 or more, finite) as a duration, such as `PT1M30S`; reading it back gives the same number."""
    rest = Decimal(repr(seconds))
    days, rest = divmod(rest, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    date = f"{days}D" if days else ""
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if rest or not (date or time):
        number = format(rest, "f")
        time += (number.rstrip("0").rstrip(".") if "." in number else number) + "S"
    return "P" + date + ("T" + time if time else "")
