"""Scores files with an MLflow model that came without a script.

This file is never imported by the server: it is registered as the code of deployments of MLflow models, and runs in
the model's own environment under any Python from 3.8 on. Each file is read whole and given to `predict` once.
"""

import csv
import io
import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow.pyfunc

_IMAGES = (".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif")
_TABLES = (".csv", ".parquet", ".pqt", ".jsonl")
_FLOATS = {"double": "float64", "float": "float32"}


def _model_folder():
    # What is in the folder may be a link, where a local run takes the model from its place: rglob follows none.
    tops = [path.resolve() for path in Path(os.environ["AZUREML_MODEL_DIR"]).iterdir()]
    found = sorted((path for top in tops for path in top.rglob("MLmodel")), key=lambda path: (len(path.parts), path))
    return str(found[0].parent)


def init():
    """Load the model, once in each worker."""
    global _model, _inputs
    _model = mlflow.pyfunc.load_model(_model_folder())
    signature = _model.metadata.signature
    _inputs = signature.inputs if signature is not None else None


def run(mini_batch):
    """Give the lines of all files, in their order. One that cannot be scored fails the call, naming it; the system
    then finds it among its neighbours by scoring parts of the mini-batch."""
    lines = []
    for path in mini_batch:
        try:
            lines += _lines(Path(path))
        except Exception as exc:
            raise ValueError("{}: {}: {}".format(Path(path).name, type(exc).__name__, exc)) from exc
    return lines


def _lines(path):
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        predictions = _rows(_model.predict(_table(path, suffix)))
        return [_line([number, *cells, path.name]) for number, cells in enumerate(predictions)]
    if suffix in _IMAGES:
        return [_line([*cells, path.name]) for cells in _rows(_model.predict(_image(path)))]
    allowed = ", ".join(_TABLES + _IMAGES)
    raise ValueError("unsupported_type: files of type {!r} are not read; {} are".format(suffix, allowed))


def _table(path, suffix):
    import pandas

    if suffix == ".csv":
        return pandas.read_csv(path, dtype=_float_columns())
    if suffix == ".jsonl":
        return pandas.read_json(path, lines=True, dtype=_float_columns() or True)
    return pandas.read_parquet(path)


def _float_columns():
    """Whole numbers in a file of text are read as integers, which MLflow refuses where the model wants fractions."""
    if _inputs is None or _inputs.is_tensor_spec():
        return {}
    named = [(column.name, getattr(column.type, "name", "")) for column in _inputs if hasattr(column, "type")]
    return {name: _FLOATS[kind] for name, kind in named if name is not None and kind in _FLOATS}


def _image(path):
    import numpy
    from PIL import Image

    with Image.open(path) as image:
        pixels = numpy.asarray(image)
    if _inputs is None or not _inputs.is_tensor_spec():
        return pixels
    wanted = next(iter(_inputs))
    return pixels.astype(wanted.type).reshape([-1 if side == -1 else side for side in wanted.shape])


def _rows(predictions):
    """Give a list of cells for each prediction, of whatever `predict` returned."""
    if hasattr(predictions, "columns"):
        return [list(row) for row in predictions.itertuples(index=False, name=None)]
    values = predictions.tolist() if hasattr(predictions, "tolist") else list(predictions)
    if not isinstance(values, list):
        values = [values]
    return [value if isinstance(value, list) else [value] for value in values]


def _line(cells):
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
