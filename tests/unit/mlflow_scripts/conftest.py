"""The scripts that score MLflow models, imported as a worker imports them, with a model in mlflow's place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import batchyard.control

SCRIPTS = Path(batchyard.control.__file__).parent / "mlflow_scripts"


@dataclass(frozen=True)
class Spec:
    """One input of a signature, as mlflow has it: a column (type has a name) or a tensor (type is a dtype)."""

    name: str | None
    type: Any
    required: bool = True
    shape: tuple[int, ...] = ()


class Schema(list[Spec]):
    """The inputs or outputs of a signature."""

    def is_tensor_spec(self) -> bool:
        """Whether they are tensors."""
        return bool(self) and bool(self[0].shape)


def columns(**kinds: str) -> Schema:
    """Give a schema of named columns; a kind that ends with `?` is optional."""
    return Schema(Spec(n, SimpleNamespace(name=k.rstrip("?")), not k.endswith("?")) for n, k in kinds.items())


@dataclass
class Flow:
    """What `mlflow.pyfunc.load_model` gives: `seen` is everything that `predict` was called with."""

    predict_one: Callable[[Any], Any]
    metadata: Any
    seen: list[Any]

    def predict(self, given: Any) -> Any:
        """Note what was given, and predict."""
        self.seen.append(given)
        return self.predict_one(given)


Loaded = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loaded]:
    """Give a function that starts the script with a model: `load(predict, inputs, outputs)`; its model is `.flow`."""
    (tmp_path / "model" / "flow").mkdir(parents=True)
    (tmp_path / "model" / "flow" / "MLmodel").touch()
    names = [path.stem for path in SCRIPTS.glob("*.py")]
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.syspath_prepend(str(SCRIPTS))

    def start(predict: Callable[[Any], Any] = len, inputs: Any = None, outputs: Any = None) -> ModuleType:
        signature = SimpleNamespace(inputs=inputs, outputs=outputs)
        flow = Flow(predict, SimpleNamespace(signature=signature), [])
        pyfunc = ModuleType("mlflow.pyfunc")
        pyfunc.load_model = lambda folder, **_: flow
        package = ModuleType("mlflow")
        package.pyfunc = pyfunc
        monkeypatch.setitem(sys.modules, "mlflow", package)
        monkeypatch.setitem(sys.modules, "mlflow.pyfunc", pyfunc)
        script = import_module("mlflow_scoring")
        script.flow = flow
        script.init()
        return script

    yield start
    for name in names:
        sys.modules.pop(name, None)
