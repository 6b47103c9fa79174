"""Scores files with an MLflow model that came without a script.

The files of this folder are never imported by the server: together they are registered as the code of deployments of
MLflow models, and run in the model's own environment under any Python from 3.8 on. Each file of the input is read whole
(`scoring_inputs`), fitted to the model's signature (`scoring_signature`) and given to `predict` once; what comes back
becomes rows in `scoring_outputs`.
"""

import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow.pyfunc
import scoring_inputs
import scoring_outputs
import scoring_signature

_MOST_KEPT_ROWS = 1000000

# What calls have scored that failed because of another file: trying again costs no more than what failed.
_kept = {}


class PredictionFailed(Exception):
    """The model raised, or its file cannot be opened; that exception is told with it."""


def init():
    """Load the model, once in each worker."""
    global _model, _inputs, _outputs
    _model = mlflow.pyfunc.load_model(_model_folder(), suppress_warnings=True)
    signature = _model.metadata.signature
    _inputs = signature.inputs if signature is not None else None
    _outputs = signature.outputs if signature is not None else None


def run(mini_batch, context=None):
    """Give the predictions of all files, in their order: lines parted by commas, or a table where rows have columns.

    A file that cannot be scored fails the call, naming it, after all the others were tried. The system then finds it by
    scoring parts of the mini-batch, for which what was scored here is kept.
    """
    scored, failed = [], []
    for path in mini_batch:
        name = _shown(path, context)
        try:
            scored.append((name, path, _kept[path] if path in _kept else _score(Path(path))))
        except MemoryError:
            raise  # Fewer files may help, which the system sees to.
        except Exception as exc:
            failed.append((name, exc))
    if failed:
        _keep(scored)
        raise _told(failed) from failed[0][1]
    for _, path, _ in scored:
        _kept.pop(path, None)
    if getattr(context, "has_columns", False):
        return scoring_outputs.table([(name, *found) for name, _, found in scored])
    return [line for name, _, found in scored for line in scoring_outputs.lines(name, *found)]


def _model_folder():
    found = sorted(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel"), key=lambda path: (len(path.parts), path))
    return str(found[0].parent)


def _shown(path, context):
    """Give the file's name as the output has it: its path below the input, which in a flat folder is its name."""
    root = getattr(context, "input_root", None)
    return os.path.relpath(path, root) if root else os.path.basename(path)


def _keep(scored):
    for _, path, found in scored:
        if sum(len(kept) for kept, _ in _kept.values()) + len(found[0]) <= _MOST_KEPT_ROWS:
            _kept[path] = found


def _told(failed):
    """Give the exception for the first file that cannot be scored."""
    name, exc = failed[0]
    others = "1 file" if len(failed) == 2 else "{} files".format(len(failed) - 1)
    more = "" if len(failed) == 1 else " (and {} more cannot be scored)".format(others)
    if isinstance(exc, scoring_inputs.WRONG):
        return type(exc)("{}: {}{}".format(name, exc, more))
    return PredictionFailed("{}: {}: {}{}".format(name, type(exc).__name__, exc, more))


def _score(path):
    """Give a file's predictions as a table, and whether they are of the rows of a table."""
    suffix = path.suffix.lower()
    if suffix in scoring_inputs.TABLES:
        is_text = suffix in scoring_inputs.TEXTS
        frame = scoring_inputs.table(path, suffix, texts=scoring_signature.texts(_inputs))
        given = scoring_signature.fitted(frame, _inputs, is_text=is_text)
    elif suffix in scoring_inputs.IMAGES:
        given = scoring_signature.fitted_picture(scoring_inputs.picture(path), _inputs)
    else:
        allowed = ", ".join(scoring_inputs.TABLES + scoring_inputs.IMAGES)
        told = "unsupported_type: files of type {!r} are not read; {} are"
        raise scoring_inputs.UnsupportedType(told.format(suffix, allowed))
    return scoring_outputs.predicted(_model.predict(given), _outputs), suffix in scoring_inputs.TABLES
