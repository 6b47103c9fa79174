"""Preflights: the findings that are answered, and what a deployment that is not there yet is looked at by. All ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchyard.domain.forecast.preflight import Finding, Level, has_passed
from batchyard.wire.shapes import ArmShape, Text, WholeNumber, raise_mistakes, read_shape
from batchyard.wire.trees import rows_at, text_at


class DraftProperties(ArmShape):
    """The parts that a server can say something of before they are registered."""

    compute: Text | None = None
    instance_count: WholeNumber | None = None
    conda_file: Text | None = None
    image: Text | None = None


class DraftBody(ArmShape):
    """The body of a POST that asks for the preflight of a deployment; without properties, of the one that exists."""

    properties: DraftProperties | None = None


def draft_from_body(name: str, body: Mapping[str, object]) -> DraftProperties | None:
    """Read what is to be looked at; None: the deployment that exists. Raises: InvalidInput with all mistakes."""
    shape, mistakes = read_shape(DraftBody, body)
    raise_mistakes(f"Validation of deployment {name!r}", mistakes)
    return shape.properties


def findings_to_arm(findings: Sequence[Finding]) -> dict[str, object]:
    """Give findings as properties of an answer."""
    return {
        "passed": has_passed(findings),
        "findings": [
            {"check": one.check, "result": one.level.value, "found": one.found, "remedy": one.remedy}
            for one in findings
        ],
    }


def findings_from_arm(arm: Mapping[str, object]) -> list[Finding]:
    """Give the findings of an answer; a result that this version does not know counts as an error."""
    rows = rows_at(arm, "properties", "findings")
    return [
        Finding(text_at(row, "check"), _level(text_at(row, "result")), text_at(row, "found"), text_at(row, "remedy"))
        for row in rows
    ]


def findings_to_cli(findings: Sequence[Finding]) -> dict[str, object]:
    """Give findings as the command line prints them."""
    return findings_to_arm(findings)


def _level(text: str) -> Level:
    return next((level for level in Level if level.value == text), Level.ERROR)
