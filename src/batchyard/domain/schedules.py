"""Schedules: when which job is to be made. Kept and shown; nothing acts on them yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule. trigger, action: their definitions as they were given, kept to the letter."""

    name: str
    trigger: Mapping[str, object] = field(default_factory=dict)
    action: Mapping[str, object] = field(default_factory=dict)
    is_enabled: bool = True
    display_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
