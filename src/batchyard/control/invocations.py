"""Invocations: checked against what they reach, all mistakes at once, and frozen into the spec of a job."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import Any  # what a document is, its key's kind says

from batchyard.control import pinned_paths, references, registry
from batchyard.control.outputs import format_mistakes
from batchyard.control.sealed_places import sealed_by
from batchyard.domain.access import Caller
from batchyard.domain.assets import AssetKind
from batchyard.domain.datastores import BLOB_STORE
from batchyard.domain.deployments import Deployment, ExecutionSettings, effective, settings_mistakes
from batchyard.domain.errors import CallerError, Conflict, Mistake, PlatformError
from batchyard.domain.job_specs import InputSource, OutputTarget, ScoringSpec
from batchyard.domain.jobs import Invocation
from batchyard.domain.names import file_name_mistake, name_mistake
from batchyard.domain.pinned_paths import JOBS_FOLDER
from batchyard.domain.reservations import extent
from batchyard.domain.resource_ids import AssetId, DatastorePath, parse_datastore_uri
from batchyard.domain.routing import Route, route
from batchyard.ports.datastore import Datastores
from batchyard.ports.records import Kind, Stored, Transaction
from batchyard.ports.tables import Tables
from batchyard.ports.web import is_web

_FREE_PLACE = "a place that is free"
# An output is made under a longer name beside its own, which must be possible too; storage takes 1,024 in all.
_LONGEST_PART_BYTES, _LONGEST_PATH_BYTES = 200, 1024


def reach(tx: Transaction, invocation: Invocation) -> tuple[Route, Stored[Deployment]]:
    """Give the deployment of a model that an invocation reaches, and its serving revision. Raises: as `routed`."""
    may_be_stale = invocation.deployment_may_be_stale
    chosen, served = routed(tx, invocation.endpoint, named=invocation.deployment, may_be_stale=may_be_stale)
    refuse_pipeline(served.document)
    return chosen, served


def routed(
    tx: Transaction, endpoint_name: str, *, named: str | None, may_be_stale: bool
) -> tuple[Route, Stored[Deployment]]:
    """Give the deployment that is reached, and its serving revision. named, may_be_stale: see `routing.route`.

    Raises: NotFound for the endpoint or the named deployment; CallerError when there is no default; Conflict.
    """
    endpoint = registry.load_endpoint(tx, endpoint_name).document
    deployments = {stored.key.name: stored.document for stored in registry.deployments_of(tx, endpoint.name)}
    chosen = route(endpoint, named=named, deployments=deployments, may_be_stale=may_be_stale)
    served = registry.serving(tx, endpoint.name, chosen.deployment)
    if served is None:
        standing = registry.standing(deployments[chosen.deployment])
        raise Conflict(
            f"Deployment {chosen.deployment!r} of endpoint {endpoint.name!r} cannot take jobs: it {standing}. "
            f"Wait for it, correct it, or name another deployment."
        )
    return chosen, served


def refuse_pipeline(deployment: Deployment) -> None:
    """Raise Conflict for the deployment of a pipeline component, where one of a model is wanted."""
    if deployment.component is not None:
        raise Conflict(
            f"Deployment {deployment.name!r} of endpoint {deployment.endpoint!r} is of the pipeline component "
            f"'{deployment.component}', and this looks at deployments of models. Name one of a model, or invoke it."
        )


def refuse_taken(tx: Transaction, name: str | None) -> None:
    """Refuse the name of another job before its output, which stands in the same place, is found in the way."""
    if name is not None and tx.jobs.get(name) is not None:
        raise Conflict(f"A job {name!r} exists already. Choose another name, or leave it out.")


def freeze(
    tx: Transaction,
    caller: Caller,
    invocation: Invocation,
    route: Route,
    served: Stored[Deployment],
    *,
    datastores: Datastores,
    tables: Tables,
    new_name: str,
) -> ScoringSpec:
    """Check an invocation and give the spec of its job. served: the revision that the route leads to.

    Raises: InvalidInput with every mistake; Conflict when the output exists and nothing else is wrong.
    """
    job = invocation.job_name or new_name
    settings = effective(served.document.settings, invocation.overrides)
    source, source_mistakes = references.source_of(tx, invocation.source, field="input")
    invocation = replace(invocation, source=source)
    output = _target(invocation, settings, job)
    output_mistakes, taken = _output_findings(tx, output, invocation, datastores)
    if file_name_mistake(output.file_name, field="") is None:
        settings = replace(settings, output_file_name=output.file_name)
    mistakes = [
        *_name_mistakes(invocation),
        *settings_mistakes(settings, prefix=""),
        *format_mistakes(settings, tables, prefix=""),
        *compute_mistakes(tx, served.document.compute, settings),
        *(source_mistakes or input_mistakes(caller, source, datastores, field="input")),
        *output_mistakes,
    ]
    # Of a path that is wrong in itself it is not said, too, whose it is.
    refused = [] if output_mistakes else _refused(tx, invocation, route, served, output)
    if (mistakes or refused) and taken is not None:
        mistakes.append(Mistake("output_path", repr(str(output.place)), _FREE_PLACE, str(taken)))
    pinned_paths.refuse(f"Invocation of endpoint {invocation.endpoint!r}", mistakes, refused)
    if taken is not None:
        raise taken
    return _spec(tx, invocation, route, served, job=job, settings=settings, output=output)


def _target(invocation: Invocation, settings: ExecutionSettings, job: str) -> OutputTarget:
    """Say where the output goes: the job's own folder, in the deployment's path, unless a place is named."""
    path, file_name = invocation.output_path, settings.output_file_name
    if path is None:
        if settings.output_path is not None:
            pin = settings.output_path
            return OutputTarget(DatastorePath(pin.datastore, f"{pin.path}/{job}/score"), file_name)
        return OutputTarget(DatastorePath(BLOB_STORE.name, f"{JOBS_FOLDER}/{job}/score"), file_name)
    # One place has one spelling, or two jobs could reserve it twice.
    place = DatastorePath(path.datastore, normal_path(path.path))
    if invocation.output_is_file:
        folder, file_name = posixpath.split(place.path)
        return OutputTarget(DatastorePath(path.datastore, folder), file_name, into_existing=True)
    names_file = invocation.overrides.output_file_name is not None
    return OutputTarget(place, file_name, into_existing=names_file)


def _refused(
    tx: Transaction, invocation: Invocation, route: Route, served: Stored[Deployment], output: OutputTarget
) -> list[Mistake]:
    own = served.document.settings.output_path
    where = {"endpoint": invocation.endpoint, "deployment": route.deployment}
    return pinned_paths.mistakes_of(tx, extent(output), **where, own=own, field="output_path")


def normal_path(path: str) -> str:
    """Give the one spelling of a path in a datastore; "" for its root."""
    normal = posixpath.normpath(path.strip("/"))
    return "" if normal == "." else normal


def _name_mistakes(invocation: Invocation) -> list[Mistake]:
    if invocation.job_name is None:
        return []
    mistake = name_mistake("job", invocation.job_name, field="job_name")
    return [] if mistake is None else [mistake]


def compute_mistakes(tx: Transaction, name: str, settings: ExecutionSettings) -> list[Mistake]:
    """Tell that the compute of a job is not there, or too small for it."""
    compute = tx.documents.get(registry.compute_key(name))
    if compute is None:
        remedy = "The deployment names it: update the deployment."
        return [registry.unknown("compute", name, "compute", registry.names(tx, Kind.COMPUTE), remedy=remedy)]
    if settings.instance_count > compute.document.max_instances:
        return [registry.too_many_instances(compute.document, settings.instance_count)]
    return []


def input_mistakes(caller: Caller, source: InputSource, datastores: Datastores, *, field: str) -> list[Mistake]:
    """Say why data cannot be read, by its place or by what is there."""
    found = repr(source.uri)
    if source.uri.lower().startswith("file:"):
        if not caller.is_owner:
            # Not even looked at: whether a path exists on the server is nobody else's business.
            remedy = "Upload it first; only the owner of an embedded server has local paths read in place."
            return [Mistake(field, found, "azureml://datastores/<datastore>/paths/<path>", remedy)]
    elif parse_datastore_uri(source.uri) is None and not is_web(source.uri):
        return [Mistake(field, found, "azureml://datastores/<datastore>/paths/<path>", "Upload it first.")]
    try:
        datastores.check_input(source)
    except CallerError as exc:
        return registry.as_mistakes(exc, field=field, found=found, allowed="an input that can be read")
    return []


def _output_findings(
    tx: Transaction, output: OutputTarget, invocation: Invocation, datastores: Datastores
) -> tuple[list[Mistake], Conflict | None]:
    """Say what is wrong with the output, and apart from it whether something is in its place already."""
    mistakes = _path_mistakes(invocation)
    # A name that leaves the place is told of elsewhere (job_name, output_file_name), and looked at nowhere.
    leaves = normal_path(output.place.path) != output.place.path or file_name_mistake(output.file_name, field="")
    if mistakes or leaves:
        return mistakes, None
    version = sealed_by(tx, DatastorePath(output.place.datastore, f"{output.place.path}/{output.file_name}"))
    if version is not None:
        found = f"{str(output.place)!r}, which belongs to {version}, which never changes"
        return [Mistake("output_path", found, _FREE_PLACE)], None
    try:
        datastores.check_output(output)
    except Conflict as exc:
        return [], exc
    except CallerError as exc:
        found = repr(str(output.place))
        return registry.as_mistakes(exc, field="output_path", found=found, allowed=_FREE_PLACE), None
    return [], None


def _path_mistakes(invocation: Invocation) -> list[Mistake]:
    """Name what is wrong with the output's path as text."""
    path = invocation.output_path
    if path is None:
        return []
    found = place_mistakes(path, field="output_path")
    if found:
        return found
    normal = normal_path(path.path)
    if not invocation.output_is_file:
        allowed = "a folder below the datastore's root"
        return [] if normal else [Mistake("output_path", repr(str(path)), allowed)]
    file_name, wished = posixpath.basename(normal), invocation.overrides.output_file_name
    if wished not in (None, file_name):
        return [Mistake("output_file_name", repr(wished), f"{file_name!r}, as in output_path, or nothing")]
    mistake = file_name_mistake(file_name, field="output_path")
    return [] if mistake is None else [mistake]


def place_mistakes(place: DatastorePath, *, field: str) -> list[Mistake]:
    """Say that a place is outside of its datastore, or too long for what is made there."""
    normal = normal_path(place.path)
    if normal.split("/")[0] == ".." or "\0" in normal:
        return [Mistake(field, repr(str(place)), "a path that stays inside its datastore")]
    if len(normal.encode()) > _LONGEST_PATH_BYTES or any(
        len(part.encode()) > _LONGEST_PART_BYTES for part in normal.split("/")
    ):
        allowed = f"at most {_LONGEST_PATH_BYTES} bytes, {_LONGEST_PART_BYTES} between two '/'"
        return [Mistake(field, f"{len(normal.encode())} bytes", allowed)]
    return []


def _spec(
    tx: Transaction,
    invocation: Invocation,
    route: Route,
    served: Stored[Deployment],
    *,
    job: str,
    settings: ExecutionSettings,
    output: OutputTarget,
) -> ScoringSpec:
    """Freeze a checked invocation, with the bytes of what it runs by hash."""
    deployment = served.document
    model, code, environment, build = deployment.model, deployment.code, deployment.environment, deployment.build
    if model is None or code is None or environment is None or build is None:
        raise PlatformError(f"Revision {served.revision} of deployment {deployment.name!r} is stored incomplete.")
    return ScoringSpec(
        job=job,
        endpoint=invocation.endpoint,
        deployment=route.deployment,
        deployment_revision=served.revision,
        routed_by=route.reason,
        source=invocation.source,
        settings=settings,
        compute=deployment.compute,
        model=model,
        model_seal=_document(tx, AssetKind.MODEL, model).sealed,
        code=code.code,
        code_seal=_document(tx, AssetKind.CODE, code.code).sealed,
        scoring_script=code.scoring_script,
        environment=environment,
        build=build,
        output=output,
        experiment_name=invocation.experiment_name or invocation.endpoint,
    )


def _document(tx: Transaction, kind: AssetKind, id: AssetId) -> Any:
    return references.find_version(tx, kind, id.name, version=id.version).document
