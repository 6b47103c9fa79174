"""Inputs and outputs that a pipeline is given by name, in bodies (UriFolder and uri_folder alike) and in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.pipelines.components import InputMode, Literal, OutputMode, PortType
from batchyard.domain.pipelines.invocations import AskedData, AskedInput, AskedOutput
from batchyard.domain.resource_ids import DatastorePath, Scope, parse_datastore_uri, parse_reference, workspace_of_uri
from batchyard.domain.workspaces import is_same
from batchyard.wire.invocation_inputs import KindWord, data_uri
from batchyard.wire.mistakes import shown
from batchyard.wire.pipelines.ports import INPUT_MODES, OUTPUT_MODES, mode_of
from batchyard.wire.shapes import ArmShape, NoEffect, Text, YamlShape, notes_of, read_shape
from batchyard.wire.trees import without_empty

# Squeezed words: UriFolder and uri_folder are one.
_TYPES = {type_.value.replace("_", ""): type_ for type_ in PortType}
_DATA_WORDS = {word: type_ for word, type_ in _TYPES.items() if not type_.is_literal}
_ARM_TYPES = {
    PortType.URI_FILE: "UriFile",
    PortType.URI_FOLDER: "UriFolder",
    PortType.MLFLOW_MODEL: "MLFlowModel",
    PortType.CUSTOM_MODEL: "CustomModel",
}
_ARM_INPUT_MODES = {
    mode: word
    for word, mode in (
        ("ReadOnlyMount", InputMode.RO_MOUNT),
        ("Download", InputMode.DOWNLOAD),
        ("Direct", InputMode.DIRECT),
    )
}
_ARM_OUTPUT_MODES = {OutputMode.RW_MOUNT: "ReadWriteMount", OutputMode.UPLOAD: "Upload"}
_INPUT_TYPES = "literal, uri_folder, uri_file, mlflow_model or custom_model"
_OUTPUT_PLACE = "azureml://datastores/NAME/paths/PATH"


class InputBody(ArmShape):
    """An input of a body. value: of a literal, which may also stand in the place of all this."""

    job_input_type: KindWord | None = None
    uri: Text | None = None
    value: object = None
    mode: Text | None = None


class OutputBody(ArmShape):
    """An output of a body. asset_name: the model that it is to be registered as."""

    job_output_type: KindWord | None = None
    uri: Text | None = None
    mode: Text | None = None
    asset_name: Text | None = None
    asset_version: Text | None = None


class InputYaml(YamlShape):
    """An input of an invoke file or a pipeline job; a value or a path alone may stand for it.

    default: Azure's word for the value of a literal. Descriptions and bounds are for who reads the file.
    """

    type: KindWord | None = None
    path: Text | None = None
    value: object = None
    default: object = None
    mode: Text | None = None
    description: NoEffect = None
    optional: NoEffect = None
    min: NoEffect = None
    max: NoEffect = None
    enum: NoEffect = None


class OutputYaml(YamlShape):
    """An output of an invoke file or a pipeline job; its path alone may stand for it."""

    type: KindWord | None = None
    path: Text | None = None
    mode: Text | None = None
    name: Text | None = None
    version: Text | None = None
    description: NoEffect = None


@dataclass(frozen=True, slots=True)
class WrittenInput:
    """An input as YAML or a flag writes it, not looked up yet.

    text: a path or URI where is_path; else a value, or a path without a word of it, as the component will tell.
    """

    text: Literal
    type: PortType | None = None
    mode: InputMode | None = None
    is_path: bool = False


def inputs_from_arm(document: object, scope: Scope, field: str, found: list[Mistake]) -> dict[str, AskedInput]:
    """Read `inputData` of an invocation, or `inputs` of a job. found: gets the mistakes."""
    inputs: dict[str, AskedInput] = {}
    for name, given in _entries(document, field, found).items():
        where = f"{field}.{name}"
        if not isinstance(given, Mapping):
            literal = _literal(given, where, found)
            inputs |= {} if literal is None else {name: literal}
            continue
        shape, mistakes = read_shape(InputBody, _camel(given), prefix=f"{where}.")
        found += mistakes
        value = _input(shape, where, scope, found)
        inputs |= {} if value is None else {name: value}
    return inputs


def outputs_from_arm(document: object, scope: Scope, field: str, found: list[Mistake]) -> dict[str, AskedOutput]:
    """Read `outputData` of an invocation, or `outputs` of a job. found: gets the mistakes."""
    outputs: dict[str, AskedOutput] = {}
    for name, given in _entries(document, field, found).items():
        where = f"{field}.{name}"
        shape, mistakes = read_shape(
            OutputBody, _camel(given) if isinstance(given, Mapping) else given, prefix=f"{where}."
        )
        found += mistakes
        outputs[name] = AskedOutput(
            place=_place(shape.uri, f"{where}.uri", scope, found),
            type=_data_type(shape.job_output_type, f"{where}.jobOutputType", found),
            mode=mode_of(shape.mode, OUTPUT_MODES, f"{where}.mode", found),
            **_model(shape.asset_name, shape.asset_version, f"{where}.asset", found),
        )
    return outputs


def inputs_to_arm(inputs: Mapping[str, AskedInput]) -> dict[str, object]:
    """Give `inputData`."""
    return {name: _input_to_arm(given) for name, given in inputs.items()}


def outputs_to_arm(outputs: Mapping[str, AskedOutput]) -> dict[str, object]:
    """Give `outputData`."""
    return {
        name: without_empty(
            {
                "jobOutputType": _ARM_TYPES[given.type] if given.type else None,
                "uri": str(given.place) if given.place else None,
                "mode": _ARM_OUTPUT_MODES[given.mode] if given.mode else None,
                "assetName": given.model,
                "assetVersion": given.model_version,
            }
        )
        for name, given in outputs.items()
    }


def unnamed_to_arm(given: AskedData) -> dict[str, object]:
    """Give `inputData` of data that has no name, as Azure's clients send it: under the word of its type."""
    word = _ARM_TYPES[given.type or PortType.URI_FOLDER]
    return {word: _input_to_arm(AskedData(given.uri, given.type or PortType.URI_FOLDER))}


def split_unnamed(inputs: Mapping[str, AskedInput]) -> tuple[dict[str, AskedInput], AskedData | None]:
    """Tell data without a name from inputs by name: its clients send it as `UriFolder` or `UriFile`, alone."""
    if len(inputs) == 1:
        name, given = next(iter(inputs.items()))
        if name in _ARM_TYPES.values() and isinstance(given, AskedData):
            return {}, given
    return dict(inputs), None


def inputs_from_yaml(document: object, found: list[Mistake]) -> tuple[dict[str, WrittenInput], tuple[str, ...]]:
    """Read `inputs` of YAML, with notes on what does nothing. found: gets the mistakes."""
    inputs: dict[str, WrittenInput] = {}
    notes: tuple[str, ...] = ()
    for name, given in _entries(document, "inputs", found).items():
        where = f"inputs.{name}"
        if given is None:
            found.append(Mistake(where, "nothing", "a value, or a mapping with path, or with default"))
        elif not isinstance(given, Mapping):
            literal = _literal(given, where, found)
            inputs |= {} if literal is None else {name: WrittenInput(literal)}
        else:
            shape, mistakes = read_shape(InputYaml, given, prefix=f"{where}.")
            found += mistakes
            notes += notes_of(shape, prefix=f"{where}.")
            read = _written(shape, where, found)
            inputs |= {} if read is None else {name: read}
    return inputs, notes


def outputs_from_yaml(document: object, scope: Scope, found: list[Mistake]) -> dict[str, AskedOutput]:
    """Read `outputs` of YAML. found: gets the mistakes."""
    outputs: dict[str, AskedOutput] = {}
    for name, given in _entries(document, "outputs", found).items():
        where = f"outputs.{name}"
        document = {"path": given} if isinstance(given, str) else {} if given is None else given
        shape, mistakes = read_shape(OutputYaml, document, prefix=f"{where}.")
        found += mistakes
        outputs[name] = AskedOutput(
            place=_place(shape.path, f"{where}.path", scope, found),
            type=_data_type(shape.type, f"{where}.type", found),
            mode=mode_of(shape.mode, OUTPUT_MODES, f"{where}.mode", found),
            **_model(shape.name, shape.version, where + ".", found),
        )
    return outputs


def _entries(document: object, field: str, found: list[Mistake]) -> dict[str, object]:
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        found.append(Mistake(field, shown(document), "a mapping of names"))
        return {}
    return {str(name): given for name, given in document.items()}


def _camel(given: Mapping[object, object]) -> dict[str, object]:
    """Take the underscores out of keys: `job_input_type` is `jobInputType`, as the case of letters does not count."""
    return {str(key).replace("_", ""): value for key, value in given.items()}


def _literal(given: object, where: str, found: list[Mistake]) -> Literal | None:
    if isinstance(given, str | int | float):
        return given
    found.append(Mistake(where, shown(given), "text, a number, or true or false"))
    return None


def _input(shape: InputBody, where: str, scope: Scope, found: list[Mistake]) -> AskedInput | None:
    word = shape.job_input_type
    is_literal = word == "literal" or (word in _TYPES and _TYPES[word].is_literal)
    if is_literal or (word is None and shape.value is not None and shape.uri is None):
        if shape.uri is not None and shape.value is None:
            found.append(
                Mistake(f"{where}.value", f"nothing, and a uri {shown(shape.uri)}", "the value of the literal")
            )
            return None
        return _literal(shape.value, f"{where}.value", found)
    type_ = _data_type(word, f"{where}.jobInputType", found)
    mode = mode_of(shape.mode, INPUT_MODES, f"{where}.mode", found)
    if shape.value is not None:
        found.append(Mistake(f"{where}.value", shown(shape.value), "nothing: data has a uri"))
    return AskedData(_uri(shape.uri or "", type_, f"{where}.uri", scope, found), type_, mode)


def _uri(uri: str, type_: PortType | None, field: str, scope: Scope, found: list[Mistake]) -> str:
    named = parse_reference(uri) if uri.startswith(("azureml:", "/")) else None
    is_model = type_ in (PortType.MLFLOW_MODEL, PortType.CUSTOM_MODEL)
    if is_model and named is not None and named.kind in ("", "models") and (named.version or named.label):
        return uri
    return data_uri(uri, field, scope, found)


def _data_type(word: str | None, field: str, found: list[Mistake]) -> PortType | None:
    if word is None or word in _DATA_WORDS:
        return _DATA_WORDS.get(word or "")
    found.append(
        Mistake(
            field,
            shown(word),
            _INPUT_TYPES if field.endswith("InputType") else " or ".join(t.value for t in _DATA_WORDS.values()),
        )
    )
    return None


def _place(uri: str | None, field: str, scope: Scope, found: list[Mistake]) -> DatastorePath | None:
    place = parse_datastore_uri(uri) if uri else None
    named = workspace_of_uri(uri) if uri else None
    if named is not None and not is_same(named, scope):
        found.append(Mistake(field, shown(uri), f"a datastore of the workspace {scope.workspace!r} itself"))
    elif uri and "${{" in uri:
        found.append(Mistake(field, shown(uri), f"{_OUTPUT_PLACE}, without expressions"))
    elif uri and place is None:
        found.append(Mistake(field, shown(uri), _OUTPUT_PLACE, "Outputs go to a datastore."))
    return place


def _model(name: str | None, version: str | None, prefix: str, found: list[Mistake]) -> dict[str, str]:
    parts = ("name", "version") if prefix.endswith(".") else ("Name", "Version")
    for kind, text, part in (("model", name, parts[0]), ("version", version, parts[1])):
        mistake = name_mistake(kind, text, field=f"{prefix}{part}") if text else None
        found += [mistake] if mistake else []
    return {"model": name or "", "model_version": version or ""}


def _input_to_arm(given: AskedInput) -> dict[str, object]:
    if not isinstance(given, AskedData):
        return {"jobInputType": "Literal", "value": given}
    type_ = _ARM_TYPES[given.type] if given.type else None
    mode = _ARM_INPUT_MODES[given.mode] if given.mode else None
    return {**without_empty({"jobInputType": type_, "mode": mode}), "uri": given.uri}


def _written(shape: InputYaml, where: str, found: list[Mistake]) -> WrittenInput | None:
    type_ = _TYPES.get(shape.type or "")
    if shape.type is not None and type_ is None:
        found.append(Mistake(f"{where}.type", shown(shape.type), " or ".join(one.value for one in PortType)))
        return None
    said = {key: value for key in ("path", "value", "default") if (value := getattr(shape, key)) is not None}
    if len(said) != 1:
        wanted = "path" if type_ is not None and not type_.is_literal else "default" if type_ else "path, or default"
        found.append(
            Mistake(
                f"{where}.{wanted}" if type_ else where,
                " and ".join(said) or "nothing",
                wanted if not said else "one of them",
            )
        )
        return None
    mode = mode_of(shape.mode, INPUT_MODES, f"{where}.mode", found)
    key, value = next(iter(said.items()))
    literal = _literal(value, f"{where}.{key}", found)
    return None if literal is None else WrittenInput(literal, type_, mode, is_path=key == "path")
