"""The data input of an invocation's body: `inputData` of today, and the `dataset` of older bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from batchyard.domain.errors import Mistake
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.domain.resource_ids import Scope, parse_arm_id, parse_datastore_uri, parse_reference
from batchyard.wire.mistakes import shown
from batchyard.wire.shapes import ArmShape, Text

KINDS = {"urifolder": InputKind.FOLDER, "urifile": InputKind.FILE}
ONE_INPUT = "exactly one data input of type uri_folder or uri_file"

_DATA_URI = (
    "azureml://datastores/NAME/paths/PATH, a data asset as azureml:NAME:VERSION, a file's https:// URL, "
    "or file:///PATH for the owner of an embedded server"
)
# Azure: asset ids without a resource group, `…/versions/labels/latest` included, as its guides for REST have them.
_ASSET_URI = re.compile(
    r"azureml://(?:locations/[^/]+/workspaces/(?P<workspace>[^/]+)/)?data/(?P<name>[^/]+)"
    r"(?:/versions/(?!labels/)(?P<version>[^/]+)|(?:/versions)?/labels/(?P<label>[^/]+))/?",
    re.IGNORECASE,
)


def _kind(value: object) -> str:
    """Read a type however it is cased (UriFolder, uri_folder); other types stay, to be refused with their name."""
    return str(value).replace("_", "").replace("-", "").lower()


KindWord = Annotated[str, BeforeValidator(_kind)]


class InputArm(ArmShape):
    """One entry of `inputData`. value: of a literal, for pipelines (`pipeline_values.InputBody`)."""

    job_input_type: KindWord | None = None
    uri: Text | None = None
    value: object = None


class DatasetArm(ArmShape):
    """The `dataset` of an older body: a URL, or a registered name by version or by id."""

    data_input_type: KindWord | None = None
    path: Text | None = None
    dataset_name: Text | None = None
    dataset_version: Text | None = None
    dataset_id: Text | None = None


def source_from_arm(
    inputs: Mapping[str, InputArm] | None, dataset: DatasetArm | None, scope: Scope, found: list[Mistake]
) -> InputSource:
    """Read the one data input, however it was written; what is wrong goes to `found`.

    scope: the workspace that was asked. uri of the answer: see `domain.jobs.InputSource`.
    """
    if dataset is None:
        return _of_input_data(inputs or {}, scope, found)
    if inputs:
        found.append(Mistake("properties.dataset", "inputData beside it", "one of them"))
    return _of_dataset(dataset, scope, found)


def _of_input_data(inputs: Mapping[str, InputArm], scope: Scope, found: list[Mistake]) -> InputSource:
    """Read `inputData`; the name of its one entry is ignored (Azure: C.13)."""
    field = "properties.inputData"
    if len(inputs) != 1:
        found.append(Mistake(field, ", ".join(sorted(inputs)) or "nothing", ONE_INPUT))
        return InputSource(InputKind.FOLDER, "")
    name, given = next(iter(inputs.items()))
    kind = KINDS.get(given.job_input_type or "urifolder")
    if kind is None:
        remedy = "Literals are for deployments of pipeline components."
        is_literal = given.job_input_type == "literal"
        text = shown(given.job_input_type)
        found.append(
            Mistake(f"{field}.{name}.jobInputType", text, "UriFolder or UriFile", remedy if is_literal else "")
        )
        return InputSource(InputKind.FOLDER, given.uri or "")
    return InputSource(kind, data_uri(given.uri or "", f"{field}.{name}.uri", scope, found))


def _of_dataset(given: DatasetArm, scope: Scope, found: list[Mistake]) -> InputSource:
    """Read `dataset`. A registered name brings its own kind; of a URL the kind is guessed, as it does not say it."""
    field = "properties.dataset"
    match given.data_input_type:
        case "dataurl":
            uri = data_uri(given.path or "", f"{field}.path", scope, found)
            is_file = uri.lower().startswith(("https://", "http://")) and not uri.endswith("/")
            return InputSource(InputKind.FILE if is_file else InputKind.FOLDER, uri)
        case "datasetversion" if given.dataset_name:
            version = f":{given.dataset_version}" if given.dataset_version else "@latest"
            text = f"azureml:{given.dataset_name}{version}"
            return InputSource(InputKind.FOLDER, data_uri(text, f"{field}.datasetName", scope, found))
        case "datasetversion":
            found.append(Mistake(f"{field}.datasetName", "nothing", "the name of a data asset"))
        case "datasetid":
            # Azure: what are data assets today were `datasets` then.
            text = re.sub(r"/datasets/(?=[^/]+(?:/|$))", "/data/", given.dataset_id or "", count=1)
            return InputSource(InputKind.FOLDER, data_uri(text, f"{field}.datasetId", scope, found))
        case kind:
            found.append(Mistake(f"{field}.dataInputType", shown(kind), "DataUrl, DatasetVersion or DatasetId"))
    return InputSource(InputKind.FOLDER, "")


def data_uri(uri: str, field: str, scope: Scope, found: list[Mistake]) -> str:
    """Bring the forms of a data URI together; what is none of them comes back as it is, with a mistake."""
    asset = _ASSET_URI.fullmatch(uri)
    if asset is not None and (asset["workspace"] or scope.workspace).lower() == scope.workspace.lower():
        tail = ("versions", asset["version"]) if asset["version"] else ("labels", asset["label"])
        return scope.child("data", asset["name"], *tail)
    place = parse_datastore_uri(uri)
    if place is not None and not uri.lower().startswith("azureml://"):
        return str(place)
    if asset is not None:
        found.append(Mistake(field, shown(uri), f"a data asset of workspace {scope.workspace!r}"))
    elif place is None and not _isdata_uri(uri):
        found.append(Mistake(field, shown(uri or None), _DATA_URI, _remedy(uri)))
    return uri


def _isdata_uri(uri: str) -> bool:
    if uri.startswith(("file:///", "https://", "http://")):
        return True
    named = parse_reference(uri) if uri.startswith(("azureml:", "/")) else None
    return named is not None and named.kind in ("", "data") and (named.version or named.label) is not None


def _remedy(uri: str) -> str:
    if parse_arm_id(uri) is not None or uri.startswith("azureml:"):
        return "A data asset is named with its version: azureml:NAME:VERSION or azureml:NAME@latest."
    if uri.startswith(("wasbs://", "abfss://")):
        return "Storage accounts are not read by this version; download the files and give their folder."
    return ""
