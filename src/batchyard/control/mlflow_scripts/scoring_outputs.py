"""Makes rows of whatever a model predicted: lines parted by commas, or a table with named columns."""

import csv
import io
import json


def predicted(predictions, outputs):
    """Give whatever `predict` returned as a table. Columns without a name are `prediction`, or `prediction_0` and on.

    outputs: the signature's, or None; its names are taken where there are as many.
    """
    import pandas

    if isinstance(predictions, pandas.DataFrame):
        return predictions.set_axis([str(name) for name in predictions.columns], axis=1).reset_index(drop=True)
    if isinstance(predictions, dict):
        parts = [_columns(str(name), values) for name, values in predictions.items()]
        return pandas.DataFrame({name: column for part in parts for name, column in part.items()})
    if isinstance(predictions, (list, tuple)) and predictions and all(isinstance(row, dict) for row in predictions):
        return pandas.DataFrame(list(predictions))
    found = _columns("prediction", predictions)
    names = [spec.name for spec in outputs] if outputs is not None else []
    if len(names) == len(found) and all(isinstance(name, str) for name in names):
        found = dict(zip(names, found.values()))
    return pandas.DataFrame(found)


def _columns(name, values):
    """Give the columns of an array or list: one, or one for each of its second axis; lists where it has more axes."""
    import numpy

    if hasattr(values, "toarray"):
        values = values.toarray()
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        values = [values]
    try:
        array = numpy.asarray(values)
    except ValueError:
        return {name: list(values)}  # Rows of different lengths.
    if array.ndim == 1 or array.dtype == object:
        return {name: array.tolist() if array.dtype == object else array}
    if array.ndim == 2:
        if array.shape[1] == 1:
            return {name: array[:, 0]}
        return {"{}_{}".format(name, at): array[:, at] for at in range(array.shape[1])}
    return {name: array.tolist()}


def table(scored):
    """Give all predictions as one table: the row in its file, what was predicted, and the file's name."""
    import pandas

    parts = []
    for file_name, frame, is_table in scored:
        own = frame.rename(columns={name: "prediction_" + name for name in ("index", "file_name")})
        if is_table:
            own.insert(0, "index", range(len(own)))
        parts.append(own.assign(file_name=file_name))
    return pandas.concat(parts, ignore_index=True)


def lines(file_name, frame, is_table):
    """Give a line for each prediction: its row in the file, where it is of a table, its cells, the file's name."""
    columns = [[_text(value) for value in _plain(frame.iloc[:, at])] for at in range(len(frame.columns))]
    for row, cells in enumerate(zip(*columns)):
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow([*([row] if is_table else []), *cells, file_name])
        yield text.getvalue()


def _plain(values):
    """Give the values; those of a float32 stay such, and so show their own shortest digits."""
    return values.to_numpy() if values.dtype in ("float32", "float16") else values.tolist()


def _text(value):
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=str)
    return "" if value is None or value != value else str(value)
