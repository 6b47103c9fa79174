"""Preflight of an invocation, of a deployment, or of one that is not there yet: nothing is changed by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any  # what a document is, its key's kind says

from batchyard.control import invocations, references, registry, scripts
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.assets import AssetKind, Environment
from batchyard.domain.computes import InstanceDemand
from batchyard.domain.deployments import Deployment
from batchyard.domain.errors import BatchyardError, CallerError, InvalidInput, Mistake
from batchyard.domain.forecast.preflight import Finding, Level, of_compute, of_mistakes
from batchyard.domain.job_specs import PipelineSpec, ScoringSpec
from batchyard.domain.job_states import HOLDS_INSTANCES, JobStatus
from batchyard.domain.jobs import Invocation
from batchyard.domain.resource_ids import AssetId
from batchyard.ports.datastore import Datastores, SealedStore
from batchyard.ports.environment import Environments
from batchyard.ports.records import JobFilter, Kind, Stored, Transaction
from batchyard.ports.tables import Tables

_MOST_JOBS = 1000
_WAIT_OR_CORRECT = "See `batchyard batch-deployment show`; wait for it, correct it, or name another deployment."
# What of an invocation is told under which name.
_CHECKS = {"input": "input", "output_path": "output", "output_file_name": "output", "job_name": "job name"}


@dataclass(frozen=True, slots=True)
class Draft:
    """What the server can say of a deployment whose parts are not registered: its compute and its environment."""

    endpoint: str
    compute: str = ""
    instance_count: int = 1
    environment: Environment | None = None


def of_invocation(
    tx: Transaction,
    caller: Caller,
    invocation: Invocation,
    *,
    datastores: Datastores,
    sealed: SealedStore,
    environments: Environments,
    tables: Tables,
    new_name: str,
) -> tuple[list[Finding], ScoringSpec | None]:
    """Look at everything that can be known of an invocation without running its script.

    Returns: the findings, and what its job would run by, or None where something stands in its way.
    Raises: Forbidden.
    """
    authorise(caller, Action.ENDPOINT_INVOKE)
    try:
        reached, served = invocations.reach(tx, invocation)
    except CallerError as exc:
        return [Finding("deployment", Level.ERROR, str(exc), _WAIT_OR_CORRECT)], None
    what = f"Revision {served.revision} of deployment {reached.deployment!r} serves ({reached.reason})."
    findings = [Finding("deployment", Level.OK, what)]
    findings += _of_parts(tx, served.document, sealed, environments)
    try:
        if invocation.job_name is not None and tx.jobs.get(invocation.job_name) is not None:
            mistake = Mistake("job_name", f"{invocation.job_name!r}, which another job has", "a name that is free")
            raise InvalidInput("The job", [mistake])
        spec = invocations.freeze(
            tx, caller, invocation, reached, served, datastores=datastores, tables=tables, new_name=new_name
        )
        tx.jobs.check_free((spec.output,))
        datastores.probe_output(spec.output)
    except InvalidInput as exc:
        for check, mistakes in _by_check(exc.mistakes).items():
            findings += of_mistakes(mistakes, check=check)
        return findings, None
    except CallerError as exc:
        findings.append(Finding("output", Level.ERROR, str(exc), "Name another place with --output-path."))
        return findings, None
    except BatchyardError as exc:
        remedy = "See that the server may write there, and that the disk has room."
        findings.append(Finding("output", Level.ERROR, str(exc), remedy))
        return findings, None
    findings.append(_compute(tx, spec.compute, spec.settings.instance_count))
    findings.append(Finding("input", Level.OK, f"{spec.source.uri} is there and has a first file."))
    where = f"{spec.output.place} is free and can be written to, for {spec.output.file_name!r}."
    findings.append(Finding("output", Level.OK, where))
    return findings, spec


def of_deployment(
    tx: Transaction,
    caller: Caller,
    endpoint: str,
    name: str,
    *,
    sealed: SealedStore,
    environments: Environments,
) -> list[Finding]:
    """Look at a deployment that exists, without an input. Raises: Forbidden; NotFound."""
    authorise(caller, Action.DEPLOYMENT_READ)
    newest = registry.load_deployment(tx, endpoint, name)
    findings = [_state(newest, registry.serving(tx, endpoint, name))]
    findings += _of_parts(tx, newest.document, sealed, environments)
    findings.append(_compute(tx, newest.document.compute, newest.document.settings.instance_count))
    remedy = "Name data with --input to have a sample of it scored."
    return [*findings, Finding("input, output, sample", Level.NOT_CHECKED, "No input was named.", remedy)]


def of_draft(tx: Transaction, caller: Caller, draft: Draft, *, environments: Environments) -> list[Finding]:
    """Look at what a deployment that is not there yet would stand on. Raises: Forbidden."""
    authorise(caller, Action.DEPLOYMENT_READ)
    findings = []
    if tx.documents.get(registry.endpoint_key(draft.endpoint)) is None:
        remedy = f"Create it first: `batchyard batch-endpoint create --name {draft.endpoint}`."
        known = registry.names(tx, Kind.ENDPOINT)
        mistake = registry.unknown("endpoint_name", draft.endpoint, "endpoint", known, remedy=remedy)
        findings += of_mistakes([mistake], check="endpoint")
    else:
        findings.append(Finding("endpoint", Level.OK, f"The endpoint {draft.endpoint!r} is there."))
    if draft.compute:
        findings.append(_compute(tx, draft.compute, draft.instance_count))
    if draft.environment is not None:
        findings += _definition(draft.environment, environments)
    return findings


def _of_parts(
    tx: Transaction, deployment: Deployment, sealed: SealedStore, environments: Environments
) -> list[Finding]:
    """Look at model, code, script and environment of a revision."""
    findings = []
    if deployment.model is not None:
        findings += _sealed(tx, AssetKind.MODEL, deployment.model, sealed)
    if deployment.code is not None:
        findings += _sealed(tx, AssetKind.CODE, deployment.code.code, sealed)
        code = _document(tx, AssetKind.CODE, deployment.code.code).sealed
        script = deployment.code.scoring_script
        mistakes = scripts.script_mistakes(sealed, code, script)
        findings += of_mistakes(mistakes, check="script", otherwise=f"{script!r} defines run(mini_batch).")
    if deployment.environment is not None:
        findings.append(_environment(deployment, deployment.environment, environments))
    return findings


def _state(newest: Stored[Deployment], serving: Stored[Deployment] | None) -> Finding:
    name = newest.document.name
    if serving is None:
        found = f"Deployment {name!r} cannot take jobs: it {registry.standing(newest.document)}."
        return Finding("deployment", Level.ERROR, found, _WAIT_OR_CORRECT)
    if serving.revision != newest.revision:
        found = (
            f"Revision {serving.revision} of {name!r} serves; the newest, {newest.revision}, "
            f"{registry.standing(newest.document)}."
        )
        return Finding("deployment", Level.WARNING, found, _WAIT_OR_CORRECT)
    return Finding("deployment", Level.OK, f"Revision {serving.revision} of {name!r} serves.")


def _sealed(tx: Transaction, kind: AssetKind, id: AssetId, sealed: SealedStore) -> list[Finding]:
    names = sealed.names(_document(tx, kind, id).sealed)
    if names:
        return [Finding(kind.noun, Level.OK, f"{id} is registered, {_count(len(names), 'file')}.")]
    remedy = "The server's home has lost them; restore it from a backup, or register them as a new version."
    return [Finding(kind.noun, Level.ERROR, f"The files of {kind.noun} '{id}' are gone.", remedy)]


def _environment(deployment: Deployment, id: AssetId, environments: Environments) -> Finding:
    build = deployment.build
    if build is None:
        found = f"The environment '{id}' is not built."
        return Finding("environment", Level.ERROR, found, "Wait until the deployment is provisioned.")
    try:
        environments.python(build)
    except BatchyardError as exc:
        return Finding("environment", Level.ERROR, str(exc), "Update the deployment, which builds it again.")
    found = f"'{id}' is built: Python {build.python_version}, {_count(len(build.packages), 'package')}."
    if build.warnings:
        remedy = "Change the environment so that it says what can be had here."
        return Finding("environment", Level.WARNING, " ".join([found, *build.warnings]), remedy)
    return Finding("environment", Level.OK, found)


def _definition(environment: Environment, environments: Environments) -> list[Finding]:
    mistakes = environments.mistakes(environment)
    if mistakes:
        return of_mistakes(mistakes, check="environment")
    build = environments.built(environment)
    if build is None:
        found = "It is not built yet; its packages were not looked for in the package index."
        return [Finding("environment", Level.NOT_CHECKED, found, "`batch-deployment create` builds it.")]
    return [Finding("environment", Level.OK, f"It is built already, with Python {build.python_version}.")]


def _compute(tx: Transaction, name: str, asked: int) -> Finding:
    stored = tx.documents.get(registry.compute_key(name))
    if stored is None:
        known = registry.names(tx, Kind.COMPUTE)
        remedy = f"Create it first: `batchyard compute create --name {name}`."
        return of_mistakes([registry.unknown("compute", name, "compute", known, remedy=remedy)], check="compute")[0]
    running, queued = (_demands(tx, name, statuses) for statuses in (HOLDS_INSTANCES, {JobStatus.QUEUED}))
    return of_compute(stored.document, asked, running=running, queued=queued)


def _demands(tx: Transaction, compute: str, statuses: Any) -> list[InstanceDemand]:
    which = JobFilter(compute=compute, statuses=frozenset(statuses), with_steps=True)
    jobs = [job for job in tx.jobs.list(which, limit=_MOST_JOBS).items if not isinstance(job.spec, PipelineSpec)]
    return [InstanceDemand(job.name, compute, job.instance_count) for job in reversed(jobs)]


def _by_check(mistakes: tuple[Mistake, ...]) -> dict[str, list[Mistake]]:
    found: dict[str, list[Mistake]] = {}
    for mistake in mistakes:
        check = "compute" if mistake.field in ("compute", "instance_count") else _CHECKS.get(mistake.field, "settings")
        found.setdefault(check, []).append(mistake)
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _document(tx: Transaction, kind: AssetKind, id: AssetId) -> Any:
    return references.find_version(tx, kind, id.name, version=id.version).document
