"""Reads the files that are scored: tables and pictures, as they are."""

import json

IMAGES = (".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif")
TABLES = (".csv", ".parquet", ".pqt", ".jsonl")
TEXTS = (".csv", ".jsonl")


class UnsupportedType(ValueError):
    """A file of a kind that is not read."""


class InputFormat(ValueError):
    """A file that is not what its name says."""


class InputSchema(ValueError):
    """A file that does not hold what the model's signature asks for."""


WRONG = (UnsupportedType, InputFormat, InputSchema)


def table(path, suffix, *, texts):
    """Give the table in a file. texts: names of columns to be read as they are written. Raises: InputFormat."""
    import pandas

    try:
        if suffix == ".csv":
            frame = pandas.read_csv(path, dtype=dict.fromkeys(texts, str), low_memory=False)
        else:
            frame = _json_lines(path) if suffix == ".jsonl" else pandas.read_parquet(path)
    except (MemoryError, ImportError, InputFormat):
        raise
    except Exception as exc:
        if getattr(exc, "errno", None) is not None:
            raise  # It cannot be opened, whatever is in it.
        raise InputFormat("cannot be read as {}: {}: {}".format(suffix, type(exc).__name__, exc)) from exc
    if suffix == ".csv" and not isinstance(frame.index, pandas.RangeIndex):
        # pandas takes the first fields for names of rows then, and every value would stand in the wrong column.
        raise InputFormat("its lines have more fields than its first line has names")
    if not len(frame):
        raise InputFormat("has no rows")
    return frame


def picture(path):
    """Give the picture in a file. Raises: InputFormat."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except OSError as exc:
        if exc.errno is not None:
            raise
        raise InputFormat("cannot be read as a picture: {}".format(exc)) from exc


def _json_lines(path):
    """Read values as they are written: `pandas.read_json` takes texts for numbers and dates where they look like it."""
    import pandas

    records = []
    with open(path, encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                try:
                    records.append(json.loads(line))
                except ValueError as exc:
                    raise InputFormat("line {} is no JSON: {}".format(number, exc)) from exc
                if not isinstance(records[-1], dict):
                    raise InputFormat("line {} is no JSON object".format(number))
    return pandas.DataFrame(records)
