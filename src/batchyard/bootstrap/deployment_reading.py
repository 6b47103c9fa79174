"""Reads a deployment's YAML for a local run: settings, and the files it names, all mistakes told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batchyard.bootstrap.local_deployment import LocalDeployment
from batchyard.control import mlflow_code, mlflow_environment
from batchyard.control.script_sources import source_mistakes
from batchyard.domain.assets import Environment, ModelType
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.wire.deployment_files import DeploymentYaml, read_deployment_yaml
from batchyard.wire.documents import apply_set, load_yaml
from batchyard.wire.environments import EnvironmentYaml, environment_from_yaml
from batchyard.wire.models import ModelYaml
from batchyard.wire.schema_nouns import check_noun
from batchyard.wire.set_spellings import as_in_deployment

_SCRIPT = "code_configuration.scoring_script"
# What `batch-deployment create` takes from flags or looks up; a run needs none of it, so a file may leave it out.
_NAMED_BY_FLAGS = {"name": "local", "endpoint_name": "local", "compute": "local"}


def read_local_deployment(path: Path, assignments: Sequence[str]) -> LocalDeployment:
    """Read the file, with `--set` applied. Raises: InvalidInput with every mistake of the file and what it names."""
    document = load_yaml(_text(path, "deployment"), subject=str(path))
    check_noun(document, "batch-deployment", subject=str(path))
    if assignments:
        document = apply_set(document, as_in_deployment(document, assignments))
    written, mistakes = read_deployment_yaml({**_NAMED_BY_FLAGS, **document})
    folder = path.absolute().parent
    model = _model(written, folder, mistakes)
    flow = _mlflow_model(written, model)
    code: Path | None = None
    environment: Environment | None = None
    if flow is not None and written.code_path is None and not written.scoring_script:
        script = mlflow_code.SCRIPT
        mistakes += flow.mistakes(has_environment=written.environment is not None)
        environment = flow.environment()
    else:
        code, script = _code(written, folder, mistakes)
    if flow is None or written.environment is not None:
        environment = _environment(written, folder, mistakes)
    if mistakes or model is None or environment is None:
        raise InvalidInput(str(path), mistakes)
    return LocalDeployment(
        name=written.name,
        endpoint=written.endpoint,
        compute=written.compute,
        model=model,
        code=code,
        script=script,
        environment=environment,
        settings=written.settings,
        notes=written.notes,
    )


def _model(written: DeploymentYaml, folder: Path, mistakes: list[Mistake]) -> Path | None:
    if not isinstance(written.model, ModelYaml):
        found = f"the registered {written.model.name!r}" if written.model else "nothing"
        mistakes.append(_must_be_local("model", found, "model=PATH"))
        return None
    path = folder / written.model.path
    if not path.exists():
        mistakes.append(Mistake("model.path", f"nothing at {str(path)!r}", "a file or folder"))
    return path


@dataclass(frozen=True, slots=True)
class _MLflowModel:
    """A folder that mlflow saved. root: where its MLmodel file is, or None where it has none."""

    path: Path
    root: Path | None

    def environment(self) -> Environment | None:
        """Give the environment that its files ask for."""
        conda = None if self.root is None else mlflow_environment.conda_file_of(self._read)
        return None if conda is None else Environment("local", "1", conda_file=conda)

    def mistakes(self, *, has_environment: bool) -> list[Mistake]:
        """Name why it cannot be scored without a script."""
        text = self._read(mlflow_environment.DESCRIPTION_FILE)
        if text is None:
            found = f"{str(self.path)!r} without a file {mlflow_environment.DESCRIPTION_FILE!r}"
            return [Mistake("model.path", found, "the folder that `mlflow` saved, with everything in it")]
        shown = f"the model in {str(self.path)!r}"
        found_flavors = mlflow_environment.flavor_mistakes(mlflow_environment.describe(text), shown)
        is_missing = not has_environment and self.environment() is None
        return [*found_flavors, *([mlflow_environment.missing(shown)] if is_missing else [])]

    def _read(self, name: str) -> str | None:
        file = None if self.root is None else self.root / name
        return _text(file, "model.path") if file is not None and file.is_file() else None


def _mlflow_model(written: DeploymentYaml, path: Path | None) -> _MLflowModel | None:
    """Give the model of a deployment as mlflow saved it, or None where it is of another kind or not there."""
    is_mlflow = isinstance(written.model, ModelYaml) and written.model.type is ModelType.MLFLOW
    if path is None or not is_mlflow or not path.is_dir():
        return None
    found = sorted(path.rglob(mlflow_environment.DESCRIPTION_FILE), key=lambda file: (len(file.parts), str(file)))
    return _MLflowModel(path, found[0].parent if found else None)


def _code(written: DeploymentYaml, folder: Path, mistakes: list[Mistake]) -> tuple[Path | None, str]:
    script = written.scoring_script or ""
    if not isinstance(written.code_path, str):
        found = "registered code" if written.code_path else "nothing"
        mistakes.append(_must_be_local("code_configuration.code", found, "code_configuration.code=FOLDER"))
        return None, script
    code = folder / written.code_path
    file = code / script
    if not script or not file.is_file():
        mistakes.append(Mistake(_SCRIPT, f"nothing at {str(file)!r}", "a Python file, relative to the code folder"))
    else:
        mistakes += source_mistakes(_text(file, _SCRIPT), script)
    return code, script


def _environment(written: DeploymentYaml, folder: Path, mistakes: list[Mistake]) -> Environment | None:
    found = written.environment
    if isinstance(found, str):
        folder = (folder / found).parent
        found = environment_from_yaml(load_yaml(_text(folder / Path(found).name, "environment"), subject=found))
    if not isinstance(found, EnvironmentYaml):
        what = f"the registered {found.name!r}" if found else "nothing"
        mistakes.append(_must_be_local("environment", what, "environment=FILE"))
        return None
    conda = found.conda_file_text
    if found.conda_file_path:
        conda = _text(folder / found.conda_file_path, "environment.conda_file")
    return Environment("local", "1", image=found.image, conda_file=conda)


def _must_be_local(field: str, found: str, remedy: str) -> Mistake:
    return Mistake(field, found, "files on this machine, since no server is asked", f"Say --set {remedy}.")


def _text(path: Path, field: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
        raise InvalidInput(str(path), [Mistake(field, f"{str(path)!r} ({reason})", "a file that can be read")]) from exc
