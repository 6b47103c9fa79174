"""Models, environments and code in both dialects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.domain.assets import (
    AssetKind,
    CodeDraft,
    CodeVersion,
    Environment,
    EnvironmentBuild,
    Model,
    ModelDraft,
    ModelType,
    Sealed,
)
from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.wire.assets import container_cli_from_arm, container_to_arm
from batchyard.wire.codes import code_from_arm, code_to_arm, code_to_arm_body
from batchyard.wire.documents import apply_set, load_yaml
from batchyard.wire.envelopes import StoredMeta
from batchyard.wire.environments import (
    EnvironmentYaml,
    environment_cli_from_arm,
    environment_from_arm,
    environment_from_yaml,
    environment_to_arm,
    environment_to_arm_body,
    environment_yaml_from_arm,
)
from batchyard.wire.models import (
    ModelYaml,
    model_cli_from_arm,
    model_from_arm,
    model_from_yaml,
    model_to_arm,
    model_to_arm_body,
    model_yaml_from_arm,
)

META = StoredMeta(1, '"e1"', 0.0, "ada", 0.0, "ada")
SEALED = Sealed("ab" * 32, 2, 1024)
URI = (
    "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/local/workspaces/default"
    "/datastores/workspaceblobstore/paths/LocalUpload/0a1b/model"
)

# Recorded from azure-ai-ml 1.35.2: models.create_or_update(local folder).
SDK_MODEL = {
    "properties": {
        "modelType": "custom_model",
        "modelUri": URI,
        "isAnonymous": False,
        "isArchived": False,
        "tags": {},
        "properties": {},
    }
}
# environments.create_or_update(image and conda file).
CONDA = "name: digits\ndependencies:\n- python=3.11\n- pip:\n  - numpy\n"
SDK_ENVIRONMENT = {
    "properties": {"image": "mcr.example/base:1", "condaFile": CONDA, "isAnonymous": False, "isArchived": False}
}
# PUT codes/{guid}/versions/1, from a deployment.
SDK_CODE = {
    "properties": {
        "codeUri": "https://localhost:8443/blob/acct.blob.core.windows.net/code-1/code",
        "isAnonymous": True,
        "properties": {"hash_sha256": "cd" * 32, "hash_version": 202208},
    }
}


def _told(caught: pytest.ExceptionInfo[InvalidInput]) -> dict[str, str]:
    return {mistake.field: mistake.remedy for mistake in caught.value.mistakes}


def _model(draft: ModelDraft) -> Model:
    return Model(
        name=draft.name,
        version=draft.version or "1",
        type=draft.type,
        uri=draft.uri,
        sealed=SEALED,
        flavors=draft.flavors,
        description=draft.description,
        tags=draft.tags,
        properties=draft.properties,
    )


def test_a_model_of_the_sdk_is_read_and_answered_with_flavors() -> None:
    draft = model_from_arm("digits", "1", SDK_MODEL)
    assert draft == ModelDraft("digits", "1", ModelType.CUSTOM, URI)
    arm = model_to_arm(DEFAULT_SCOPE, _model(draft), META)
    assert arm["id"] == f"{DEFAULT_SCOPE.arm_id}/models/digits/versions/1"
    properties = arm["properties"]
    assert isinstance(properties, dict)
    assert properties["flavors"] == {}
    assert properties["sha256"] == "ab" * 32
    assert model_from_arm("digits", "1", arm) == draft


def test_a_model_draft_survives_the_wire() -> None:
    draft = ModelDraft(
        "digits", "7", ModelType.MLFLOW, URI, {"python": {"v": 1}}, "d", {"a": "b"}, {"p": "q"}, True, True
    )
    assert model_from_arm("digits", "7", model_to_arm_body(draft)) == draft


def test_a_model_file_is_read() -> None:
    text = "name: digits\nversion: 3\ntype: MlflowModel\npath: ./model\ntags: {stage: dev}\nstage: Production"
    assert model_from_yaml(load_yaml(text, subject="model.yml")) == ModelYaml(
        name="digits",
        version="3",
        type=ModelType.MLFLOW,
        path="./model",
        tags={"stage": "dev"},
        notes=("`stage` is accepted but has no effect here.",),
    )


def test_a_version_arrives_as_written() -> None:
    assert model_from_yaml(load_yaml("name: m\npath: p\nversion: 1.10", subject="x")).version == "1.10"


def test_all_mistakes_of_a_model_file_are_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        model_from_yaml({"version": "a/b", "type": "onnx", "paths": "x"})
    assert _told(caught).keys() == {"name", "version", "type", "path", "paths"}
    assert _told(caught)["paths"] == "Did you mean 'path' or 'tags'?"


def test_a_model_is_patched_from_what_the_server_answers() -> None:
    draft = model_from_arm("digits", "1", SDK_MODEL)
    document = model_yaml_from_arm(model_to_arm(DEFAULT_SCOPE, _model(draft), META))
    patched = model_from_yaml(apply_set(document, ["tags.team=vision", "description=best one"]))
    assert (patched.name, patched.version, patched.path) == ("digits", "1", URI)
    assert (patched.tags, patched.description) == ({"team": "vision"}, "best one")


def test_model_show_prints_sorted_snake_case() -> None:
    printed = model_cli_from_arm(model_to_arm(DEFAULT_SCOPE, _model(model_from_arm("digits", "1", SDK_MODEL)), META))
    assert list(printed) == sorted(printed)
    assert (printed["name"], printed["version"], printed["type"]) == ("digits", "1", "custom_model")
    assert printed["size_bytes"] == 1024
    assert model_from_yaml(printed).name == "digits"


@pytest.mark.parametrize("uri", [None, "", "https://example.org/m", "runs:/1/model", "./model"])
def test_a_model_body_needs_uploaded_files(uri: str | None) -> None:
    with pytest.raises(InvalidInput, match=r"properties\.modelUri"):
        model_from_arm("digits", "1", {"properties": {"modelUri": uri}})


def test_an_environment_of_the_sdk_is_read_and_answered() -> None:
    environment = environment_from_arm("digits-env", "1", SDK_ENVIRONMENT)
    assert environment == Environment("digits-env", "1", "mcr.example/base:1", CONDA)
    arm = environment_to_arm(DEFAULT_SCOPE, environment, META)
    assert environment_from_arm("digits-env", "1", arm) == environment


def test_an_environment_answer_shows_its_build_without_using_azures_word() -> None:
    build = EnvironmentBuild("ef" * 32, "3.11.7", ("numpy==2.0",), ("fell back",))
    environment = replace(environment_from_arm("digits-env", "1", SDK_ENVIRONMENT), build=build)
    arm = environment_to_arm(DEFAULT_SCOPE, environment, META)
    properties = arm["properties"]
    assert isinstance(properties, dict)
    assert "build" not in properties
    printed = environment_cli_from_arm(arm)
    assert list(printed) == sorted(printed)
    assert printed["environment_build"] == {
        "packages": ["numpy==2.0"],
        "python_version": "3.11.7",
        "sha256": "ef" * 32,
        "warnings": ["fell back"],
    }
    assert printed["conda_file"] == {"name": "digits", "dependencies": ["python=3.11", {"pip": ["numpy"]}]}


def test_an_environment_draft_survives_the_wire_and_no_version_takes_the_next() -> None:
    environment = Environment("e", "", None, CONDA, description="d", tags={"a": "b"}, is_anonymous=True)
    assert environment_from_arm("e", None, environment_to_arm_body(environment)) == environment


def test_a_conda_file_is_kept_to_the_letter_when_patched() -> None:
    commented = replace(environment_from_arm("e", "1", SDK_ENVIRONMENT), conda_file="# mine\n" + CONDA)
    document = environment_yaml_from_arm(environment_to_arm(DEFAULT_SCOPE, commented, META))
    patched = environment_from_yaml(apply_set(document, ["tags.a=b"]))
    assert patched.conda_file_text == "# mine\n" + CONDA
    assert patched.tags == {"a": "b"}


def test_a_conda_file_is_a_path_or_inline() -> None:
    by_path = environment_from_yaml({"name": "e", "conda_file": "environment/conda.yml"})
    assert by_path == EnvironmentYaml("e", None, conda_file_path="environment/conda.yml")
    inline = environment_from_yaml(load_yaml("name: e\nconda_file:\n  dependencies: [python=3.10]", subject="x"))
    assert inline.conda_file_text == "dependencies:\n- python=3.10\n"
    assert inline.conda_file_path is None


def test_a_conda_file_given_as_the_environment_is_recognised() -> None:
    conda_file = {"channels": ["defaults"], "dependencies": ["python"]}
    with pytest.raises(InvalidInput, match="Environment 'x': found a conda file \\(it has channels, dependencies\\)"):
        environment_from_yaml({"name": "x", **conda_file})
    with pytest.raises(InvalidInput) as nameless:
        environment_from_yaml(conda_file)
    assert len(nameless.value.mistakes) == 1


def test_all_mistakes_of_an_environment_file_are_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        environment_from_yaml(
            {"name": "-x", "version": "", "build": {"path": "."}, "os_type": "windows", "condafile": 1}
        )
    assert _told(caught).keys() == {"name", "version", "build", "os_type", "condafile"}
    with pytest.raises(InvalidInput) as caught:
        environment_from_yaml({"name": "x", "conda_file": 5})
    assert _told(caught).keys() == {"conda_file"}


def test_an_environment_needs_an_image_or_a_conda_file() -> None:
    with pytest.raises(InvalidInput, match="neither image nor conda_file"):
        environment_from_yaml({"name": "x"})
    with pytest.raises(InvalidInput, match=r"properties\.image: found neither"):
        environment_from_arm("x", "1", {"properties": {}})


def test_code_of_the_sdk_is_read_and_answered() -> None:
    draft = code_from_arm("0a1b2c3d-guid", "1", SDK_CODE)
    assert draft.properties == {"hash_sha256": "cd" * 32, "hash_version": "202208"}
    assert draft.is_anonymous
    code = CodeVersion(draft.name, draft.version, draft.uri, SEALED, properties=draft.properties)
    assert code_from_arm(draft.name, "1", code_to_arm(DEFAULT_SCOPE, code, META)) == draft


def test_a_code_draft_survives_the_wire() -> None:
    draft = CodeDraft("c", "1", URI, "d", {"a": "b"}, {"p": "q"}, False, True)
    assert code_from_arm("c", "1", code_to_arm_body(draft)) == draft


def test_code_needs_a_uri() -> None:
    with pytest.raises(InvalidInput, match=r"properties\.codeUri: found nothing"):
        code_from_arm("c", "1", {})


def test_a_container_tells_the_newest_and_the_next_version() -> None:
    arm = container_to_arm(DEFAULT_SCOPE, AssetKind.MODEL, "digits", "2", "3")
    assert arm["id"] == f"{DEFAULT_SCOPE.arm_id}/models/digits"
    assert container_cli_from_arm(arm) == {"id": arm["id"], "latest_version": "2", "name": "digits"}
