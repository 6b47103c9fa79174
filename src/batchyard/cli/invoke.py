"""`batchyard batch-endpoint invoke`: make a job, and follow it when asked to."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import ServerError, UsageMistake
from batchyard.domain.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from batchyard.cli.pipeline_invoke import Typed
    from batchyard.cli.rest import Server
    from batchyard.domain.deployments import Overrides
    from batchyard.domain.job_specs import InputSource
    from batchyard.domain.pipelines.invocations import PipelineWish
    from batchyard.domain.resource_ids import DatastorePath, Scope
    from batchyard.wire.invocations import InvokeExtras, InvokeFile

# A mistake's place stands at the start of a line, or after the subject where it is the only one.
_FLAG_OF_PLACE = tuple(
    (re.compile(rf"((?:^|: |- ))(?:{places}): found ", re.MULTILINE), flag)
    for places, flag in (
        (r"properties\.inputData(?:\.\w+\.uri)?|input", "--input"),
        (r"properties\.inputData\.\w+\.jobInputType", "--input-type"),
        (r"properties\.outputData\.\w+\.uri|output_path", "--output-path"),
    )
)


def invoke(
    server: Server,
    *,
    name: str,
    deployment_name: str | None = None,
    input: str | None = None,
    old_input: str | None = None,
    input_type: str | None = None,
    inputs: list[list[str]] | None = None,
    outputs: list[list[str]] | None = None,
    file: str | None = None,
    output_path: str | None = None,
    instance_count: str | None = None,
    mini_batch_size: str | None = None,
    max_duration: str | None = None,
    job_name: str | None = None,
    experiment_name: str | None = None,
    tags: list[list[str]] | None = None,
    sets: list[list[str]] | None = None,
    request_id: str | None = None,
    upload: bool = False,
    wait: bool = False,
    stream: bool = False,
    estimate: bool = False,
    sample: str | None = None,
    sample_time: str | None = None,
    dry_run: bool = False,
) -> Any:
    """Score data: make a job of this endpoint and give its name at once, or follow it with --wait or --stream.

    With --dry-run no job is made: everything is looked at, and a sample of the data is scored.
    """
    from batchyard.cli.documents import key_values
    from batchyard.cli.pipeline_invoke import named_wish, signature_behind
    from batchyard.domain.jobs import Invocation

    if estimate and (wait or stream):
        raise UsageMistake("--estimate makes no job, so there is nothing to follow with --wait or --stream.")
    if not estimate and (sample or sample_time):
        raise UsageMistake("--sample and --sample-time go with --estimate.")
    typed_tags = key_values(tags, flag="--tags")
    if old_input is not None:
        server.say("The data to score is named with `--input` now; its older names will go.")
    flags = {"instance_count": instance_count, "mini_batch_size": mini_batch_size, "max_duration": max_duration}
    names_any = file or inputs or outputs or any(_is_named(text) for group in sets or () for text in group)
    if names_any or not (input or old_input):
        # What the names of inputs mean is told by the component behind the endpoint; those of models mean nothing.
        typed = _typed(file, deployment_name, inputs, outputs, input or old_input, input_type, sets, upload=upload)
        signature = signature_behind(server, name, typed.deployment)
        if signature is not None:
            _refuse_flags(flags, output_path, is_measured=estimate or dry_run)
            wish = named_wish(
                server,
                typed,
                signature,
                subject=f"Invocation of endpoint {name!r}",
                job_name=job_name,
                experiment_name=experiment_name,
                tags=typed_tags,
            )
            job = _send_wish(server, name, wish, typed.deployment, request_id)
            return _followed(server, job, wait=wait, stream=stream)
    inputs, outputs, sets = _of_set("inputs", inputs, sets), _of_set("outputs", outputs, sets), _other_sets(sets)
    asked = _asked(file, inputs, outputs, input or old_input, input_type, output_path)
    try:
        overrides, extras, target, path = _checked(asked, flags, sets, server.scope)
    except InvalidInput as exc:
        if not dry_run:
            raise
        from batchyard.cli.preflight import show_mistakes

        return show_mistakes(server, exc)
    in_file = asked.file
    named = deployment_name or (in_file.deployment_name if in_file else None)
    uri = _scoring_uri(server, name, named, in_file.notes if in_file else ())
    invocation = Invocation(
        endpoint=name,
        source=_in_place(server, asked, path) if dry_run else _source(server, asked, path, upload=upload),
        deployment=named,
        overrides=overrides,
        job_name=job_name or extras.job_name or (in_file.job_name if in_file else None),
        request_id=request_id or str(uuid.uuid4()),
        output_path=target,
        output_is_file=asked.output_is_file and target is not None,
        experiment_name=experiment_name or extras.experiment_name or (in_file.experiment_name if in_file else None),
        tags={**(in_file.tags if in_file else {}), **typed_tags, **extras.tags},
    )
    if estimate:
        from batchyard.cli.estimate import estimate as estimated

        return estimated(server, invocation, sample=sample, sample_time=sample_time)
    if dry_run:
        from batchyard.cli.preflight import look_at

        return look_at(server, invocation)
    from batchyard.wire.invocations import invocation_to_body

    job = _send(server, uri, invocation_to_body(invocation), invocation.deployment, invocation.request_id)
    return _followed(server, job, wait=wait, stream=stream)


def _followed(server: Server, job: dict[str, object], *, wait: bool, stream: bool) -> Any:
    if not (wait or stream):
        return job
    from batchyard.cli.following import follow_to_end

    done = follow_to_end(server, job, with_logs=stream)
    return {**job, "status": done.get("status")}


def input_of(server: Server, text: str, input_type: str | None) -> InputSource:
    """Give data to score, named as with `--input`, as the server reads it. Raises: InvalidInput."""
    asked, mistakes = _Asked(text, input_type, None, False, None), list[Mistake]()
    path = _local_input(asked, mistakes)
    if mistakes:
        raise InvalidInput("Invocation", mistakes)
    return _source(server, asked, path, upload=False)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Input and output as typed, before anything is looked up."""

    input: str
    input_type: str | None
    output: str | None
    output_is_file: bool
    file: InvokeFile | None


def _asked(
    file: str | None,
    inputs: list[list[str]] | None,
    outputs: list[list[str]] | None,
    input: str | None,
    input_type: str | None,
    output_path: str | None,
) -> _Asked:
    from batchyard.cli.local_files import read_yaml
    from batchyard.wire.invocations import invoke_file_from_yaml

    given = invoke_file_from_yaml(read_yaml(file)) if file else None
    named_in = _only_one(inputs, "--inputs")
    named_out = _only_one(outputs, "--outputs")
    where = input or named_in.get("path") or (given.input_path if given else None)
    if not where:
        raise UsageMistake("Give the data to score with --input: a local path or an azureml:// URI.")
    is_from_file = given is not None and not input and not named_in
    from_file = given.input_kind.value if given and is_from_file else None
    out = output_path or named_out.get("path") or (given.output_path if given else None)
    is_file = named_out.get("type") == "uri_file" or bool(
        given and given.output_is_file and not output_path and not named_out
    )
    return _Asked(where, input_type or named_in.get("type") or from_file, out, is_file, given)


def _of_set(key: str, typed: list[list[str]] | None, sets: list[list[str]] | None) -> list[list[str]]:
    """Add what `--set inputs.NAME.path=…` gives to what `--inputs` gave: Azure's guides write it so."""
    return [*(typed or ()), [text.partition(".")[2] for group in sets or () for text in group if _is_below(text, key)]]


def _other_sets(sets: list[list[str]] | None) -> list[list[str]]:
    return [[text for text in group if not _is_named(text)] for group in sets or ()]


def _typed(
    file: str | None,
    deployment: str | None,
    inputs: list[list[str]] | None,
    outputs: list[list[str]] | None,
    input: str | None,
    input_type: str | None,
    sets: list[list[str]] | None,
    *,
    upload: bool,
) -> Typed:
    from batchyard.cli.local_files import read_yaml
    from batchyard.cli.pipeline_invoke import Typed
    from batchyard.wire.trees import text_at

    document = read_yaml(file) if file else {}
    named = deployment or text_at(document, "deployment_name") or None
    return Typed(document, inputs, outputs, input, input_type, sets, upload=upload, deployment=named)


def _is_named(assignment: str) -> bool:
    return _is_below(assignment, "inputs") or _is_below(assignment, "outputs")


def _is_below(assignment: str, key: str) -> bool:
    return assignment.partition("=")[0].startswith(f"{key}.")


def _only_one(many: list[list[str]] | None, flag: str) -> dict[str, str]:
    """Read `NAME.path=… NAME.type=…`; a model deployment has one input and one output, whatever its name."""
    from batchyard.cli.documents import key_values

    given = key_values(many, flag=flag)
    names = {key.partition(".")[0] for key in given}
    wrong = [key for key in given if key.partition(".")[2] not in ("path", "type")]
    if len(names) > 1 or wrong:
        raise UsageMistake(f"{flag} takes NAME.path=… and NAME.type=… of one name; found {', '.join(sorted(given))}.")
    return {key.partition(".")[2]: value for key, value in given.items()}


def _checked(
    asked: _Asked, flags: Mapping[str, str | None], sets: list[list[str]] | None, scope: Scope
) -> tuple[Overrides, InvokeExtras, DatastorePath | None, Path | None]:
    """Look at everything that can be seen here before anything is sent. Last: the local input, None for a remote one.

    Raises: InvalidInput with all mistakes of overrides, output and input together.
    """
    from batchyard.wire.invocations import InvokeExtras

    mistakes: list[Mistake] = []
    overrides, extras = asked.file.overrides if asked.file else None, InvokeExtras()
    try:
        overrides, extras = _overrides(asked.file, flags, sets)
    except InvalidInput as exc:
        mistakes += exc.mistakes
    target = _target(asked.output or extras.output_uri, scope, mistakes)
    path = _local_input(asked, mistakes)
    if mistakes or overrides is None:
        raise InvalidInput("Invocation", mistakes)
    return overrides, extras, target, path


def _overrides(
    file: InvokeFile | None, flags: Mapping[str, str | None], sets: list[list[str]] | None
) -> tuple[Overrides, InvokeExtras]:
    """Give what the invocation changes: the file's overrides, then flags, then `--set`."""
    from dataclasses import fields

    from batchyard.domain.deployments import Overrides
    from batchyard.wire.invocations import overrides_from_set

    typed = [f"{key}={value}" for key, value in flags.items() if value is not None]
    found, extras = overrides_from_set([*typed, *(text for group in sets or () for text in group)])
    base = file.overrides if file else Overrides()
    given = {f.name: getattr(found, f.name) for f in fields(found) if getattr(found, f.name) is not None}
    return replace(base, **given), extras


def _target(text: str | None, scope: Scope, mistakes: list[Mistake]) -> DatastorePath | None:
    from batchyard.domain.resource_ids import parse_datastore_uri, workspace_of_uri
    from batchyard.domain.workspaces import is_same

    place = parse_datastore_uri(text) if text is not None else None
    named = workspace_of_uri(text) if text is not None else None
    if named is not None and not is_same(named, scope):
        # What is sent says the datastore alone: the one of that name in this workspace would be written to.
        mistakes.append(
            Mistake("--output-path", repr(text), f"a datastore of the workspace {scope.workspace!r} itself")
        )
    if text is not None and place is None:
        allowed = "azureml://datastores/<name>/paths/<path>"
        mistakes.append(Mistake("--output-path", repr(text), allowed, "Outputs go to a datastore."))
    return place


def _local_input(asked: _Asked, mistakes: list[Mistake]) -> Path | None:
    from batchyard.cli.local_files import first_file, is_local, resolve

    if not is_local(asked.input):
        return None
    path = resolve(asked.input, Path.cwd())
    if not path.exists():
        found, allowed = f"the local path {str(path)!r}, which does not exist", "an existing file or folder"
    elif asked.input_type not in (None, kind := "uri_file" if path.is_file() else "uri_folder"):
        found, allowed = f"{str(path)!r}, which is a {kind}", f"a {asked.input_type}"
    elif path.is_dir() and first_file(path) is None:
        found, allowed = f"the empty folder {str(path)!r}", "a folder with at least one file"
    else:
        return path
    mistakes.append(Mistake("--input", found, allowed))
    return None


def _scoring_uri(server: Server, endpoint: str, deployment: str | None, notes: Sequence[str]) -> str:
    """Give where to send the invocation; a missing endpoint or deployment is told before anything is uploaded."""
    for note in notes:
        server.say(note)
    uri = str(server.get(server.path("batchEndpoints", endpoint)).body["properties"]["scoringUri"])
    if deployment:
        server.get(server.path("batchEndpoints", endpoint, "deployments", deployment))
    return uri


def _source(server: Server, asked: _Asked, path: Path | None, *, upload: bool) -> InputSource:
    """Give the input as the server will read it: in place where it may, uploaded where it must."""
    from batchyard.cli.local_files import tree_of
    from batchyard.cli.upload import upload_tree
    from batchyard.domain.job_specs import InputKind, InputSource

    if path is None:
        of_web = asked.input.lower().startswith(("https://", "http://"))
        return InputSource(InputKind(asked.input_type or ("uri_file" if of_web else "uri_folder")), asked.input)
    kind = InputKind.FILE if path.is_file() else InputKind.FOLDER
    if server.connection.reads_in_place and not upload:
        return InputSource(kind, path.resolve().as_uri())
    tree, mistakes = tree_of(path, field="--input")
    if tree is None or mistakes:
        raise InvalidInput("Invocation", mistakes)
    return InputSource(kind, upload_tree(server, tree))


def _in_place(server: Server, asked: _Asked, path: Path | None) -> InputSource:
    """Give the input of a dry run, which uploads nothing."""
    if path is not None and not server.connection.reads_in_place:
        raise UsageMistake(
            f"A dry run uploads nothing, and this server cannot read {str(path)!r} in place. Upload it first and name "
            "it as azureml://datastores/<datastore>/paths/<path>."
        )
    return _source(server, asked, path, upload=False)


def _send(
    server: Server, uri: str, body: Mapping[str, object], deployment: str | None, request_id: str | None
) -> dict[str, object]:
    from batchyard.wire.jobs import invoke_cli_from_arm

    headers = {"repeatability_request-id": request_id or ""}
    if deployment:
        headers["azureml-model-deployment"] = deployment
    try:
        # The request id makes it one job however often the request arrives.
        return invoke_cli_from_arm(server.request("POST", uri, body=body, headers=headers, is_repeatable=True).body)
    except ServerError as error:
        lines = [_with_flags(line) for line in error.details]
        raise ServerError(error.status, error.code, _with_flags(error.message), lines) from error


def _send_wish(
    server: Server, endpoint: str, wish: PipelineWish, deployment: str | None, request_id: str | None
) -> dict[str, object]:
    from batchyard.wire.pipelines.invocations import pipeline_invocation_to_body

    uri = _scoring_uri(server, endpoint, deployment, ())
    return _send(server, uri, pipeline_invocation_to_body(wish), deployment, request_id or str(uuid.uuid4()))


def _refuse_flags(flags: Mapping[str, str | None], output_path: str | None, *, is_measured: bool) -> None:
    """Refuse what only deployments of models take."""
    wrong = [f"--{name.replace('_', '-')}" for name, value in flags.items() if value is not None]
    wrong += ["--dry-run and --estimate"] if is_measured else []
    if wrong:
        raise UsageMistake(f"{', '.join(wrong)}: for models alone; each step of a pipeline has settings of its own.")
    if output_path is not None:
        raise UsageMistake(
            "--output-path is for models: a pipeline's outputs have names; use --set outputs.NAME.path=…."
        )


def _with_flags(text: str) -> str:
    """Name the places of the request's body, which the user never saw, by the flags that filled them."""
    for place, flag in _FLAG_OF_PLACE:
        text = place.sub(rf"\1{flag}: found ", text)
    return text
