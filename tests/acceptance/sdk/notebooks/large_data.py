"""A file that the SDK sends in blocks, as a data asset and back."""

import hashlib
import json
import sys
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data, Model
from azure.identity import DefaultAzureCredential

SIZE = int(sys.argv[1])


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


source = Path("large") / "large file.bin"
source.parent.mkdir()
with source.open("wb") as stream:
    # A sparse file costs no disk here; marks tell whether a block went astray.
    for offset in range(0, SIZE, 1 << 20):
        stream.seek(offset)
        stream.write(offset.to_bytes(8, "big"))
    stream.truncate(SIZE)

ml_client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000000", "local", "default")
name = f"large-{SIZE}"
data = ml_client.data.create_or_update(Data(name=name, path=str(source), type=AssetTypes.URI_FILE))
again = ml_client.data.create_or_update(Data(name=f"{name}-again", path=str(source), type=AssetTypes.URI_FILE))
download_artifact_from_aml_uri(uri=data.path, destination="back", datastore_operation=ml_client.datastores)
found = {"same": digest(Path("back") / source.name) == digest(source), "again": again.path == data.path}

if len(sys.argv) > 2:
    Path("folder").mkdir()
    Path("folder/empty.txt").touch()
    Path("folder/ü #+%41.txt").write_text("odd")
    model = ml_client.models.create_or_update(Model(name="folder", path="folder", type=AssetTypes.CUSTOM_MODEL))
    ml_client.models.download("folder", model.version, "models")
    back = [path for path in Path("models").rglob("*") if path.is_file()]
    found["model"] = {path.name: path.read_text() for path in back}

print(json.dumps(found))
