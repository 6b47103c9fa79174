"""Batch endpoints: a stable name and URL in front of deployments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class ProvisioningState(Enum):
    """Where the server stands with what was asked; the value is Azure's word."""

    CREATING = "Creating"
    UPDATING = "Updating"
    DELETING = "Deleting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A batch endpoint. default_deployment: receives every invocation that names none; None until one is set."""

    name: str
    description: str = ""
    auth_mode: str = "aad_token"
    default_deployment: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DefaultChange:
    """One switch of an endpoint's default, as its history shows it. time: seconds since the epoch, UTC."""

    time: float
    actor: str
    before: str | None
    after: str | None
    reason: str
    ticket: str
