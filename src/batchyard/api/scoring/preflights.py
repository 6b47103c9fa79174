"""Preflights: what can be known before a job is made, as findings with their remedies. Ours; Azure has none."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.bodies import Body
from batchyard.api.rooms import BaseUrl, CallerIn, RoomsIn, header_text
from batchyard.api.told import TEXT, told
from batchyard.control import calibrations, preflights
from batchyard.domain.assets import Environment
from batchyard.domain.errors import InvalidInput
from batchyard.domain.forecast.preflight import has_passed
from batchyard.wire.calibrations import CalibrationBody, calibration_from_body
from batchyard.wire.preflights import DraftBody, draft_from_body, findings_to_arm

router = APIRouter()

_HEADERS = (("azureml-model-deployment", "The deployment to use in place of the default.", TEXT),)


@router.post("/batchEndpoints/{endpoint}/preflights", **told(body=CalibrationBody, headers=_HEADERS, answer="object"))
def preflight(
    endpoint: str, request: Request, body: Body, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl
) -> JSONResponse:
    """Look at an invocation without making a job. Where nothing stands in its way, a sample of its input is being
    scored: `calibration` says where to ask for what that found."""
    deployment = header_text(request, "azureml-model-deployment") or None
    invocation, wish = calibration_from_body(endpoint, deployment, body, rooms.scope)
    mistakes = calibrations.wish_mistakes(wish)
    if mistakes:
        raise InvalidInput("The preflight", mistakes)
    new_id = rooms.new_id()
    with rooms.records.reading() as tx:
        findings, spec = preflights.of_invocation(
            tx,
            caller,
            invocation,
            datastores=rooms.datastores,
            sealed=rooms.sealed,
            environments=rooms.environments,
            tables=rooms.tables,
            new_name=new_id,
        )
    properties = findings_to_arm(findings)
    if spec is not None and has_passed(findings):
        with rooms.records.writing() as tx:
            calibrations.add(tx, spec, wish, asked_by=caller.name, now=rooms.clock(), new_id=new_id)
        place = f"{rooms.scope.child('batchEndpoints', endpoint)}/calibrations/{new_id}"
        properties["calibration"] = f"{base_url}{place}"
    return JSONResponse({"name": new_id, "properties": properties})


@router.post("/batchEndpoints/{endpoint}/deployments/{name}/validate", **told(body=DraftBody, answer="object"))
def validate(endpoint: str, name: str, body: Body, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Look at a deployment without an input; with properties, at what one that is not there yet would stand on."""
    given = draft_from_body(name, body)
    with rooms.records.reading() as tx:
        if given is None:
            findings = preflights.of_deployment(
                tx, caller, endpoint, name, sealed=rooms.sealed, environments=rooms.environments
            )
        else:
            has_environment = given.conda_file is not None or given.image is not None
            draft = preflights.Draft(
                endpoint,
                compute=given.compute or "",
                instance_count=given.instance_count or 1,
                environment=Environment(name, "1", image=given.image or "", conda_file=given.conda_file)
                if has_environment
                else None,
            )
            findings = preflights.of_draft(tx, caller, draft, environments=rooms.environments)
    return JSONResponse({"name": name, "properties": findings_to_arm(findings)})
