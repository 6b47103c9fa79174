r"""What a script may return from `run()`, and the lines of text it becomes.

The whole result:

    list, tuple, set, generator, any iterable   each element is one line; a generator is drained within the time limit
    numpy.ndarray, pandas.Series                each element is one line; of an array with more axes, each row
    pandas.DataFrame, polars.DataFrame,         each row is one line of cells, see `tables`
    pyarrow.Table, pyarrow.RecordBatch
    None                                        no lines: no item succeeded
    str, bytes, bytearray, memoryview, dict     an error of the script: no list of rows, though Python can iterate it
    anything else (a number, True, …)           an error of the script

One element, as text:

    str                      itself, verbatim
    bytes, bytearray,        decoded as UTF-8; a byte that is not UTF-8 becomes \xff
    memoryview
    numpy.ndarray            as numpy prints it, but whole and with every digit: [0.1 0.25]
    everything else          str(element): 0.1, True, None, nan, {'a': 1}, ('x', 2), [1, 2]; numpy's scalars look like
                             Python's (a float32 shows its own shortest digits: 0.1)

Then a lone surrogate (a file name that is not UTF-8) becomes \udcff, and a text that holds a line break (CR or LF) is
quoted as RFC 4180 says: "…" with each " doubled. Nothing else is quoted; delimiters and quotes inside stay as they are.
A line ends with LF. numpy and pandas are recognised where the script imported them, never imported here.

What must not live here: counting items; `worker` compares the number of lines with the number of items.
"""

from __future__ import annotations

import sys

from batchyard_runtime import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable

_CHUNK_ELEMENTS = 256


def write(result: Any, append: Callable[[bytes], None]) -> int:  # Any: whatever a script returned
    """Append the lines of a result; give how many. Raises: TypeError, and whatever the script's objects raise."""
    if type(result) is list or type(result) is tuple:
        return _write_lines(result, append)
    if result is None:
        return 0
    refuse_non_rows(result)
    if is_a(result, "pandas", "DataFrame"):
        return tables.write(result, append)
    if is_a(result, "polars", "DataFrame"):
        return tables.write_rows(result.iter_rows(), append)
    if is_a(result, "pyarrow", "Table") or is_a(result, "pyarrow", "RecordBatch"):
        return tables.write_rows(zip(*result.to_pydict().values()), append)  # noqa: B905 - Python 3.8
    if is_a(result, "numpy", "ndarray") or is_a(result, "pandas", "Series"):
        return _write_lines(_elements(result), append)
    return _drain(result, append)


def count(result: Any) -> int:  # Any: whatever a script returned
    """Give how many lines the result would have; for jobs whose rows are not written. Drains a generator."""
    if result is None:
        return 0
    refuse_non_rows(result)
    if hasattr(type(result), "__len__"):
        return len(result)
    return sum(1 for _ in result)


def text_of(element: Any) -> str:  # Any: whatever a script returned
    """Give the text of one element, before surrogates and line breaks are seen to."""
    if isinstance(element, (bytes, bytearray, memoryview)):
        return bytes(element).decode("utf-8", "backslashreplace")
    if is_a(element, "numpy", "ndarray"):
        text: str = sys.modules["numpy"].array2string(
            element, threshold=sys.maxsize, max_line_width=sys.maxsize, floatmode="unique"
        )
        return text
    return str(element)


def _write_lines(elements: list[Any] | tuple[Any, ...], append: Callable[[bytes], None]) -> int:
    rows = len(elements)
    if not rows:
        return 0
    # The usual result, a list of plain str, is joined at once and looked through once for line breaks.
    texts = elements if {*map(type, elements)} == _ONLY_STR else list(map(text_of, elements))
    block = "\n".join(texts)
    if block.count("\n") != rows - 1 or "\r" in block:
        block = "\n".join(map(_one_line, texts))
    block += "\n"
    append(block.encode() if block.isascii() else block.encode("utf-8", "backslashreplace"))
    return rows


_ONLY_STR = {str}


def _one_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _drain(iterable: Iterable[Any], append: Callable[[bytes], None]) -> int:
    """Write elements as they come, so that a long generator needs no memory."""
    rows = 0
    chunk = []
    for element in iterable:
        chunk.append(element)
        if len(chunk) == _CHUNK_ELEMENTS:
            rows += _write_lines(chunk, append)
            chunk.clear()
    return rows + _write_lines(chunk, append)


def _elements(array: Any) -> list[Any]:  # Any: a numpy array or pandas Series, which cannot be imported for its type
    """Give the elements whose `str` is right. `tolist` is fast, but turns a float32 into a float64 with more digits."""
    dtype = array.dtype
    if is_a(array, "pandas", "Series") and getattr(dtype, "kind", "") == "f" and hasattr(array, "to_numpy"):
        array = array.to_numpy()
    if getattr(array, "ndim", 1) == 1 and (getattr(dtype, "kind", "O") in "iubO" or dtype == "float64"):
        elements: list[Any] = array.tolist()
        return elements
    return list(array)


def refuse_non_rows(result: Any) -> None:  # Any: whatever a script returned
    """Let a result pass that can be rows. Raises: TypeError."""
    kind = type(result).__name__
    if isinstance(result, (str, bytes, bytearray, memoryview, dict)):
        raise TypeError(
            "run() returned a %s, which is not a list of rows. Return a list with one element for each input item, "
            "for example [result] where there is one." % kind
        )
    if not hasattr(type(result), "__iter__") and not hasattr(type(result), "__getitem__"):
        raise TypeError(
            "run() returned %s of type %s, which cannot be iterated. Return a list, tuple, array, DataFrame, Series or "
            "generator with one element for each input item." % (_shown(result), kind)
        )


def _shown(result: Any) -> str:  # Any: whatever a script returned
    text = repr(result)
    return text if len(text) <= 80 else text[:77] + "..."


def is_a(result: Any, module: str, name: str) -> bool:  # Any: whatever a script returned
    """Tell whether the object is of a class of a module that may not be there."""
    wanted = getattr(sys.modules.get(module), name, None)
    return isinstance(wanted, type) and isinstance(result, wanted)
