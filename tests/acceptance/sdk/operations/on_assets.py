"""Models, environments, code, data and components: registered, found by version and label, archived, listed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.ai.ml import load_component
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data, Environment, Model
from azure.core.exceptions import ResourceNotFoundError
from table import ml, operation

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest"
PLAIN = {"name": "plain", "dependencies": ["python=3.11", "pip"]}
COMPONENT = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: ops_count
version: "1"
type: command
inputs: {data: {type: uri_folder}}
outputs: {score: {type: uri_folder}}
command: ls ${{inputs.data}} > ${{outputs.score}}/list.txt
environment: azureml:ops-env:1
"""

for name, text in {"model/weight.txt": "3", "data/0.txt": "0", "data/1.txt": "1", "data/2.txt": "2"}.items():
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)
Path("component.yml").write_text(COMPONENT)


def is_missing(get: Callable[[], Any]) -> bool:
    try:
        get()
    except ResourceNotFoundError:
        return True
    return False


def in_lists(operations: Any, name: str, version: str) -> tuple[bool, bool]:
    """Tell whether a version is in the list of its name, and in that list with archived ones."""
    every = operations.list(name=name, list_view_type="All")
    return version in {found.version for found in operations.list(name=name)}, version in {v.version for v in every}


def archive_and_restore(operations: Any, name: str, version: str) -> None:
    operations.archive(name, version=version)
    assert in_lists(operations, name, version) == (False, True)
    operations.restore(name, version=version)
    assert in_lists(operations, name, version) == (True, True)
    operations.archive(name)
    assert name not in {found.name for found in operations.list()}
    operations.restore(name)
    assert name in {found.name for found in operations.list()}


@operation("models.create_or_update, local folder")
def register_model() -> None:
    made = ml.models.create_or_update(
        Model(name="ops-net", path="model", type=AssetTypes.CUSTOM_MODEL, tags={"a": "b"})
    )
    assert (made.name, made.version, made.tags) == ("ops-net", "1", {"a": "b"})


@operation("models.create_or_update, next version")
def register_model_again() -> None:
    Path("model/more.txt").write_text("more")
    assert ml.models.create_or_update(Model(name="ops-net", path="model")).version == "2"


@operation("models.create_or_update, named version, datastore path")
def register_model_of_datastore() -> None:
    path = ml.models.get("ops-net", version="1").path
    assert ml.models.create_or_update(Model(name="ops-net", version="v-7", path=path)).version == "v-7"


@operation("models.create_or_update, description and tags of a version")
def change_model() -> None:
    changed = ml.models.get("ops-net", version="1")
    changed.description, changed.tags = "weights", {"stage": "prod"}
    ml.models.create_or_update(changed)
    found = ml.models.get("ops-net", version="1")
    assert (found.description, found.tags) == ("weights", {"stage": "prod"})


@operation("models.get")
def get_model() -> None:
    assert ml.models.get("ops-net", version="2").type == AssetTypes.CUSTOM_MODEL
    assert is_missing(lambda: ml.models.get("ops-net", version="99"))


@operation("models.get, label latest")
def latest_model() -> None:
    assert ml.models.get("ops-net", label="latest").version == "v-7"


@operation("models.list")
def list_models() -> None:
    assert "ops-net" in {found.name for found in ml.models.list()}
    assert [found.version for found in ml.models.list(name="ops-net")] == ["v-7", "2", "1"]


@operation("models.download")
def download_model() -> None:
    ml.models.download("ops-net", version="1", download_path="downloaded")
    assert Path("downloaded/ops-net/model/weight.txt").read_text() == "3"


@operation("models.archive, models.restore")
def archive_model() -> None:
    archive_and_restore(ml.models, "ops-net", "1")


@operation("environments.create_or_update")
def register_environment() -> None:
    made = ml.environments.create_or_update(Environment(name="ops-env", image=IMAGE, conda_file=PLAIN))
    assert (made.name, made.version) == ("ops-env", "1")


@operation("environments.create_or_update, next version")
def register_environment_again() -> None:
    conda = {**PLAIN, "name": "other"}
    assert ml.environments.create_or_update(Environment(name="ops-env", image=IMAGE, conda_file=conda)).version == "2"


@operation("environments.get")
def get_environment() -> None:
    found = ml.environments.get("ops-env", version="1")
    assert (found.image, found.conda_file["name"]) == (IMAGE, "plain")


@operation("environments.get, label latest")
def latest_environment() -> None:
    assert ml.environments.get("ops-env", label="latest").version == "2"


@operation("environments.list")
def list_environments() -> None:
    assert "ops-env" in {found.name for found in ml.environments.list()}
    assert [found.version for found in ml.environments.list(name="ops-env")] == ["2", "1"]


@operation("environments.archive, environments.restore")
def archive_environment() -> None:
    archive_and_restore(ml.environments, "ops-env", "2")


@operation("data.create_or_update, uri_folder")
def register_folder() -> None:
    made = ml.data.create_or_update(Data(name="ops-folder", path="data", type=AssetTypes.URI_FOLDER))
    assert (made.version, "/data" in made.path) == ("1", True)


@operation("data.create_or_update, uri_file")
def register_file() -> None:
    made = ml.data.create_or_update(Data(name="ops-file", path="data/2.txt", type=AssetTypes.URI_FILE))
    assert (made.version, made.path.endswith("/2.txt")) == ("1", True)


@operation("data.create_or_update, next version, datastore path")
def register_folder_again() -> None:
    path = ml.data.get("ops-folder", version="1").path
    assert ml.data.create_or_update(Data(name="ops-folder", path=path, type=AssetTypes.URI_FOLDER)).version == "2"


@operation("data.get")
def get_data() -> None:
    assert ml.data.get("ops-folder", version="1").type == AssetTypes.URI_FOLDER


@operation("data.get, label latest")
def latest_data() -> None:
    assert ml.data.get("ops-folder", label="latest").version == "2"


@operation("data.list")
def list_data() -> None:
    assert {"ops-folder", "ops-file"} <= {found.name for found in ml.data.list()}
    assert [found.version for found in ml.data.list(name="ops-folder")] == ["2", "1"]


@operation("data.archive, data.restore")
def archive_data() -> None:
    archive_and_restore(ml.data, "ops-folder", "2")


@operation("components.create_or_update")
def register_component() -> None:
    made = ml.components.create_or_update(load_component("component.yml"))
    assert (made.name, made.version) == ("ops_count", "1")


@operation("components.get")
def get_component() -> None:
    found = ml.components.get("ops_count", version="1")
    assert (found.type, found.command.startswith("ls ")) == ("command", True)


@operation("components.get, without a version")
def default_component() -> None:
    assert ml.components.get("ops_count").version == "1"


@operation("components.list")
def list_components() -> None:
    assert "ops_count" in {found.name for found in ml.components.list()}


@operation("components.archive, components.restore")
def archive_component() -> None:
    archive_and_restore(ml.components, "ops_count", "1")


@operation("components.validate")
def validate_component() -> None:
    assert ml.components.validate(load_component("component.yml")).passed


@operation("models.list, beyond one page")
def pages_of_models() -> None:
    path = ml.models.get("ops-net", version="1").path
    for number in range(1, 6):
        ml.models.create_or_update(Model(name="ops-pages", version=str(number), path=path))
    answers = ml.models._model_versions_operation.list(
        ml.resource_group_name, ml.workspace_name, "ops-pages", top=2, list_view_type="ActiveOnly"
    )
    assert [len(list(page)) for page in answers.by_page()] == [2, 2, 1]
