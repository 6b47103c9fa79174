"""Calibrations: the body that asks for one, which is an invocation's and a `sample`, and what one told. All ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any  # JSON of any shape

from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel, to_snake

from batchyard.domain.forecast.calibration import Calibration, SampleWish
from batchyard.domain.forecast.preflight import Finding
from batchyard.domain.jobs import Invocation
from batchyard.domain.resource_ids import Scope
from batchyard.wire.envelopes import iso
from batchyard.wire.invocations import InvocationProperties, invocation_from_body, invocation_to_body
from batchyard.wire.preflights import findings_to_arm
from batchyard.wire.shapes import ArmShape, Number, TextMap, Truth, WholeNumber, raise_mistakes, read_shape
from batchyard.wire.trees import mapping_at, without_empty


class SampleArm(ArmShape):
    """How much is scored, and how; `domain.forecast.calibration.SampleWish` explains each."""

    items: WholeNumber | None = None
    percent: Number | None = None
    run_items: list[WholeNumber] | None = None
    workers: WholeNumber | None = None
    environment_variables: TextMap | None = None
    time_limit_s: Number | None = None
    refuses_unfit: Truth | None = None


class CalibrationProperties(InvocationProperties):
    """An invocation, and the sample of its input."""

    sample: SampleArm | None = None


class CalibrationBody(ArmShape):
    """The body of a POST that asks for a calibration."""

    properties: CalibrationProperties | None = None


def calibration_from_body(
    endpoint: str, deployment: str | None, body: Mapping[str, object], scope: Scope
) -> tuple[Invocation, SampleWish]:
    """Read what is to be calibrated. Raises: InvalidInput with all mistakes, fields as ARM names them."""
    invocation = invocation_from_body(endpoint, deployment, None, body, scope)
    shape, mistakes = read_shape(CalibrationBody, body)
    raise_mistakes(f"Calibration of endpoint {endpoint!r}", mistakes)
    given = shape.properties.sample if shape.properties is not None else None
    values = {} if given is None else {name: getattr(given, name) for name in SampleArm.model_fields}
    asked = {name: value for name, value in values.items() if value is not None}
    if "run_items" in asked:
        asked["run_items"] = tuple(asked["run_items"])
    return invocation, SampleWish(**asked)


def calibration_to_body(invocation: Invocation, wish: SampleWish) -> dict[str, object]:
    """Give the body that the command line POSTs; the deployment goes in a header."""
    properties = mapping_at(invocation_to_body(invocation), "properties")
    sample = {to_camel(f.name): getattr(wish, f.name) for f in fields(wish)}
    return {"properties": {**properties, "sample": sample}}


def calibration_to_arm(
    scope: Scope,
    id: str,
    *,
    endpoint: str,
    deployment: str,
    deployment_revision: int,
    status: str,
    started_at: float,
    ended_at: float | None = None,
    error_code: str = "",
    error_message: str = "",
    told: Calibration | None = None,
    findings: Sequence[Finding] = (),
) -> dict[str, object]:
    """Give a calibration. status: `InProgress`, `Succeeded` or `Failed`; times: epoch seconds, UTC.

    findings: what it means for a job, once it has ended.
    """
    answer: dict[str, object] = {
        "id": f"{scope.child('batchEndpoints', endpoint)}/calibrations/{id}",
        "name": id,
        "status": status,
        "startTime": iso(started_at),
        "endTime": None if ended_at is None else iso(ended_at),
        "error": {"code": error_code, "message": error_message} if error_code else None,
        "properties": {
            "deployment": deployment,
            "deploymentRevision": deployment_revision,
            **(findings_to_arm(findings) if findings else {}),
            **({} if told is None else {"calibration": _spelled(asdict(told), to_camel)}),
        },
    }
    return without_empty(answer)


def told_from_arm(arm: Mapping[str, object]) -> Calibration | None:
    """Give what a calibration told, None while it has told nothing."""
    found = mapping_at(arm, "properties", "calibration")
    told: Calibration | None = TypeAdapter(Calibration).validate_python(_spelled(found, to_snake)) if found else None
    return told


def _spelled(value: Any, spell: Any) -> Any:
    """Spell the keys of all mappings in a value: those of a `Calibration` are all names of fields."""
    if isinstance(value, Mapping):
        return {spell(key): _spelled(item, spell) for key, item in value.items()}
    return [_spelled(item, spell) for item in value] if isinstance(value, list | tuple) else value
