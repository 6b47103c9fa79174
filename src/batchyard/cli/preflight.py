"""Preflight on the command line: findings asked for, waited for, and shown, with exit code 1 where one is an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.visible import visible
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.forecast.preflight import Finding, Level, has_passed, lines_of, of_mistakes

if TYPE_CHECKING:
    from batchyard.cli.deployment_parts import Parts
    from batchyard.cli.rest import Server
    from batchyard.domain.forecast.calibration import SampleWish
    from batchyard.domain.jobs import Invocation

_POLL_S = 0.3
_PLACES = {
    "model": "model",
    "code_configuration.scoring_script": "script",
    "code_configuration": "code",
    "environment": "environment",
    "settings": "settings",
    "compute": "compute",
    "endpoint_name": "endpoint",
}


def look_at(server: Server, invocation: Invocation, wish: SampleWish | None = None) -> Any:
    """Have an invocation looked at, and a sample of its input scored; show what was found."""
    return show(server, findings_of(server, invocation, wish))


def findings_of(server: Server, invocation: Invocation, wish: SampleWish | None = None) -> list[Finding]:
    """Give what a server finds of an invocation, its sample included; waits for that."""
    from batchyard.domain.forecast.calibration import SampleWish
    from batchyard.wire.calibrations import calibration_to_body
    from batchyard.wire.preflights import findings_from_arm
    from batchyard.wire.trees import text_at

    body = calibration_to_body(invocation, wish or SampleWish(refuses_unfit=True))
    headers = {"azureml-model-deployment": invocation.deployment} if invocation.deployment else {}
    path = server.path("batchEndpoints", invocation.endpoint, "preflights")
    answer = server.request("POST", path, body=body, headers=headers).body
    findings, link = findings_from_arm(answer), text_at(answer, "properties", "calibration")
    if not link:
        return findings
    while (found := server.get(link).body).get("status") == "InProgress":
        server.sleep(_POLL_S)
    return findings + findings_from_arm(found)


def validate_file(
    server: Server, file: str, *, endpoint_name: str | None, name: str | None, sets: list[list[str]] | None
) -> Any:
    """Look at a deployment's YAML file and at what it names, before anything is registered."""
    return show(server, _of_file(server, file, endpoint_name, name, sets))


def validate_existing(server: Server, *, endpoint: str, name: str) -> Any:
    """Look at a deployment that exists, without an input."""
    from batchyard.wire.preflights import findings_from_arm

    path = server.path("batchEndpoints", endpoint, "deployments", name)
    return show(server, findings_from_arm(server.request("POST", f"{path}/validate", body={}).body))


def show_mistakes(server: Server, exc: InvalidInput) -> Any:
    """Show what was found wrong here, before the server was asked, as a preflight does."""
    return show(server, [one for mistake in exc.mistakes for one in of_mistakes([mistake], check="invocation")])


def show(server: Server, findings: list[Finding]) -> Any:
    """Show findings as text, or as the result where a format is asked for; an error is exit code 1."""
    from batchyard.wire.preflights import findings_to_cli

    if not has_passed(findings):
        # Not a failure of the command: its result says what the exit code says.
        server.exit_code = 1
    if server.is_format_asked:
        return findings_to_cli(findings)
    for line in lines_of(findings):
        print(visible(line))
    return None


def _of_file(
    server: Server, file: str, endpoint_name: str | None, name: str | None, sets: list[list[str]] | None
) -> list[Finding]:
    """Look at a YAML file and the local files it names, and at what is registered already; nothing is uploaded."""
    from batchyard.cli import deployment_parts
    from batchyard.cli.documents import document_from

    try:
        document = document_from("batch-deployment", file, {"endpoint_name": endpoint_name, "name": name}, sets)
        parts = deployment_parts.look(server, document, Path(file).resolve().parent)
    except InvalidInput as exc:
        return [one for mistake in exc.mistakes for one in of_mistakes([mistake], check="file")]
    by_check: dict[str, list[Mistake]] = {}
    for mistake in parts.mistakes:
        by_check.setdefault(_check_of(mistake), []).append(mistake)
    findings = [Finding("file", Level.OK, f"{file} can be read.")]
    findings += [one for check, found in by_check.items() for one in of_mistakes(found, check=check)]
    findings += [_all_well(check, parts) for check in ("model", "code", "script", "settings") if check not in by_check]
    told = {finding.check for finding in findings}
    findings += [one for one in _of_server(server, parts) if one.check not in told]
    remedy = f"`batchyard run {file} --input DATA --dry-run` scores a sample of DATA with it, without a server."
    return [*findings, Finding("import, sample", Level.NOT_CHECKED, "The script was parsed, not run.", remedy)]


def _check_of(mistake: Mistake) -> str:
    field = mistake.field
    return next((check for place, check in _PLACES.items() if field == place or field.startswith(place + ".")), "file")


def _all_well(check: str, parts: Parts) -> Finding:
    written = parts.written
    if check == "model":
        found = f"Local files: {len(parts.model.files):,}." if parts.model is not None else "As registered, or remote."
    elif check == "code":
        found = f"Local files: {len(parts.code.files):,}." if parts.code is not None else "As registered, or none."
    elif check == "script":
        found = f"{written.scoring_script!r} defines run(mini_batch)." if parts.code is not None else "Not a local one."
    else:
        found = "All are in range."
    return Finding(check, Level.OK, found)


def _of_server(server: Server, parts: Parts) -> list[Finding]:
    """Ask the server for what only it knows: endpoint, compute, environment."""
    from batchyard.domain.resource_ids import Reference
    from batchyard.wire.preflights import findings_from_arm

    written = parts.written
    properties: dict[str, object] = {
        "compute": written.compute,
        "instanceCount": written.settings.instance_count,
    }
    if parts.environment is not None:
        properties |= {"condaFile": parts.environment.conda_file, "image": parts.environment.image}
    place = server.path("batchEndpoints", written.endpoint or "-", "deployments", written.name or "-")
    answer = server.request("POST", f"{place}/validate", body={"properties": properties}).body
    found = findings_from_arm(answer)
    if isinstance(written.environment, Reference):
        found.append(Finding("environment", Level.OK, f"{written.environment.name!r} is registered."))
    return found
