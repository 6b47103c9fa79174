"""How files are scored with an MLflow model: what is read, what is refused, what the rows look like."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from .conftest import SCRIPTS, Loaded, Schema, Spec, columns

TABLE = SimpleNamespace(has_columns=True, input_root="")


def doubled(frame: Any) -> Any:
    return np.asarray(frame["age"]) * 2


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


# What may be in a file


def test_a_file_s_rows_are_numbered_and_named(load: Loaded, tmp_path: Path) -> None:
    script = load(doubled)
    files = [write(tmp_path, "a.csv", "age\n1\n2\n"), write(tmp_path, "b.jsonl", '{"age": 3}\n\n{"age": 4}\n')]
    assert script.run(files) == ["0,2,a.csv", "1,4,a.csv", "0,6,b.jsonl", "1,8,b.jsonl"]


def test_a_nested_file_is_named_by_its_path_below_the_input(load: Loaded, tmp_path: Path) -> None:
    context = SimpleNamespace(input_root=str(tmp_path))
    assert load(doubled).run([write(tmp_path, "eu/a.csv", "age\n1\n")], context) == ["0,2,eu/a.csv"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.docx", "?", "UnsupportedType: x.docx: unsupported_type: files of type '.docx' are not read; .csv, .par"),
        ("x.csv", "", "InputFormat: x.csv: cannot be read as .csv: EmptyDataError"),
        ("x.csv", "age\n", "InputFormat: x.csv: has no rows"),
        ("x.csv", "age,chol\n1,2,3\n", "InputFormat: x.csv: its lines have more fields than its first line has names"),
        ("x.jsonl", '{"age": 1}\n{\n', "InputFormat: x.jsonl: line 2 is no JSON"),
        ("x.jsonl", "[1]\n", "InputFormat: x.jsonl: line 1 is no JSON object"),
        ("x.png", "?", "InputFormat: x.png: cannot be read as a picture"),
        ("x.csv", "chol\n1\n", "InputSchema: x.csv: column 'age' (long) is missing; the file has 'chol'"),
        (
            "x.csv",
            "age\n1.5\n2.5\n",
            "InputSchema: x.csv: column 'age', row 0: 1.5 cannot be made long without loss, and 1 row more",
        ),
        ("x.csv", "age\n1.5\n", "InputSchema: x.csv: column 'age', row 0: 1.5 cannot be made long without loss"),
        ("x.csv", "age\n7\nold\n", "InputSchema: x.csv: column 'age', row 1: 'old' cannot be made long without"),
        ("x.csv", "age,b\n7,1\n,1\n,1\n", "InputSchema: x.csv: column 'age', row 1: nothing cannot be made long"),
    ],
)
def test_what_cannot_be_scored_is_told_with_file_and_place(
    load: Loaded, tmp_path: Path, name: str, text: str, told: str
) -> None:
    script = load(doubled, columns(age="long"))
    with pytest.raises(Exception, match="x") as caught:
        script.run([write(tmp_path, name, text)])
    assert f"{type(caught.value).__name__}: {caught.value}".startswith(told)


def test_what_the_model_raises_is_told_with_the_file(load: Loaded, tmp_path: Path) -> None:
    script = load(lambda _: 1 / 0)
    with pytest.raises(Exception, match=r"a.csv: ZeroDivisionError: division by zero"):
        script.run([write(tmp_path, "a.csv", "age\n1\n")])


def test_too_little_memory_stays_that(load: Loaded, tmp_path: Path) -> None:
    def starved(_: Any) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        load(starved).run([write(tmp_path, "a.csv", "age\n1\n")])


def test_the_files_beside_a_bad_one_are_predicted_once_though_the_call_is_repeated(
    load: Loaded, tmp_path: Path
) -> None:
    script = load(doubled)
    files = [write(tmp_path, f"{k}.csv", f"age\n{k}\n") for k in range(3)]
    with pytest.raises(script.scoring_inputs.UnsupportedType, match=r"x.docx.*\(and 1 file more cannot"):
        script.run([*files, write(tmp_path, "x.docx", ""), write(tmp_path, "y.docx", "")])
    assert script.run(files) == ["0,0,0.csv", "0,2,1.csv", "0,4,2.csv"]
    assert len(script.flow.seen) == 3
    script.run(files)
    assert len(script.flow.seen) == 6


# Fitting to the signature


@pytest.mark.parametrize(
    ("kind", "text", "seen"),
    [
        ("double", "1", np.dtype("float64")),
        ("float", "0.1", np.dtype("float32")),
        ("integer", "7.0", np.dtype("int32")),
        ("long", "9007199254740993", np.dtype("int64")),
        ("boolean", "1", np.dtype("bool")),
        ("datetime", "2026-11-23T04:00:00", np.dtype("datetime64[us]")),
    ],
)
def test_a_column_is_read_as_the_signature_s_type(
    load: Loaded, tmp_path: Path, kind: str, text: str, seen: np.dtype[Any]
) -> None:
    script = load(len, columns(x=kind))
    script.run([write(tmp_path, "a.csv", f"x\n{text}\n")])
    assert script.flow.seen[0]["x"].dtype.kind == seen.kind
    assert kind == "datetime" or script.flow.seen[0]["x"].dtype == seen


@pytest.mark.parametrize(("kind", "text"), [("double", "9007199254740993"), ("integer", "3000000000"), ("float", "x")])
def test_a_value_that_would_become_another_is_refused(load: Loaded, tmp_path: Path, kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"column 'x', row 0: .* cannot be made {kind} without loss"):
        load(len, columns(x=kind)).run([write(tmp_path, "a.csv", f"x\n{text}\n")])


def test_text_is_read_as_it_is_written(load: Loaded, tmp_path: Path) -> None:
    script = load(len, columns(code="string"))
    files = [write(tmp_path, "a.csv", "code\n007\n"), write(tmp_path, "b.jsonl", '{"code": "2026-01-01"}\n')]
    script.run(files)
    assert [frame["code"].tolist() for frame in script.flow.seen] == [["007"], ["2026-01-01"]]


def test_columns_come_in_the_signature_s_order_without_others_and_optional_ones_may_be_missing(
    load: Loaded, tmp_path: Path
) -> None:
    script = load(len, columns(b="long", a="double", c="long?"))
    script.run([write(tmp_path, "a.csv", "z,a,b\n1,2,3\n")])
    assert script.flow.seen[0].to_dict("list") == {"b": [3], "a": [2.0]}


def test_a_tensor_signature_gets_the_table_as_an_array(load: Loaded, tmp_path: Path) -> None:
    script = load(len, Schema([Spec(None, np.dtype("float32"), shape=(-1, 2))]))
    script.run([write(tmp_path, "a.csv", "p,q\n1,2.5\n3,4\n")])
    assert (script.flow.seen[0].dtype, script.flow.seen[0].tolist()) == (np.dtype("float32"), [[1.0, 2.5], [3.0, 4.0]])
    with pytest.raises(ValueError, match=r"b.csv: has 3 columns, the signature's tensor is \(-1, 2\)"):
        script.run([write(tmp_path, "b.csv", "p,q,r\n1,2,3\n")])


def test_named_tensors_are_columns_of_the_table(load: Loaded, tmp_path: Path) -> None:
    inputs = Schema([Spec("p", np.dtype("int64"), shape=(-1, 1)), Spec("q", np.dtype("float32"), shape=(-1,))])
    script = load(lambda _: [0], inputs)
    script.run([write(tmp_path, "a.csv", "q,p\n1,2\n")])
    given = script.flow.seen[0]
    assert (given["p"].tolist(), given["q"].tolist(), given["q"].dtype) == ([[2]], [1.0], np.dtype("float32"))


# Pictures


def picture(folder: Path, mode: str, size: tuple[int, int] = (4, 2)) -> str:
    Image.new(mode, size, 1 if mode in ("L", "P") else None).save(folder / "p.png")
    return str(folder / "p.png")


@pytest.mark.parametrize(
    ("mode", "shape", "seen"),
    [
        ("L", (-1, 2, 4), (1, 2, 4)),
        ("L", (-1, 2, 4, 3), (1, 2, 4, 3)),
        ("RGB", (-1, 3, 2, 4), (1, 3, 2, 4)),
        ("P", (-1, -1, -1, 3), (1, 2, 4, 3)),
        ("L", (-1, 8), (1, 8)),
        ("L", (-1, 1, 2, 4), (1, 1, 2, 4)),
    ],
)
def test_a_picture_is_a_batch_of_one_in_the_shape_of_the_signature(
    load: Loaded, tmp_path: Path, mode: str, shape: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    script = load(lambda _: np.array([[0.25, 0.75]]), Schema([Spec(None, np.dtype("float32"), shape=shape)]))
    assert script.run([picture(tmp_path, mode)]) == ["0.25,0.75,p.png"]
    assert (script.flow.seen[0].shape, script.flow.seen[0].dtype) == (seen, np.dtype("float32"))


def test_a_picture_of_another_size_is_refused(load: Loaded, tmp_path: Path) -> None:
    script = load(len, Schema([Spec(None, np.dtype("uint8"), shape=(-1, 28, 28))]))
    with pytest.raises(ValueError, match=r"p.png: is a picture of \(2, 4\), the signature's tensor is \(-1, 28, 28\)"):
        script.run([picture(tmp_path, "L")])


def test_without_a_signature_a_picture_is_its_pixels(load: Loaded, tmp_path: Path) -> None:
    script = load(lambda pixels: [str(pixels.shape)])
    assert script.run([picture(tmp_path, "RGB")]) == ['"(2, 4, 3)",p.png']


# Rows


@pytest.mark.parametrize(
    ("predictions", "line", "names"),
    [
        (np.array([0.1], dtype="float32"), "0,0.1,a.csv", ["prediction"]),
        (np.array([[1, 2]]), "0,1,2,a.csv", ["prediction_0", "prediction_1"]),
        (np.array([[7]]), "0,7,a.csv", ["prediction"]),
        ([[[1, 2], [3, 4]]], '0,"[[1, 2], [3, 4]]",a.csv', ["prediction"]),
        (["yes, no"], '0,"yes, no",a.csv', ["prediction"]),
        ([None], "0,,a.csv", ["prediction"]),
        (pd.Series([True], index=[9]), "0,True,a.csv", ["prediction"]),
        (pd.DataFrame({"p": [0.5], 3: ["x"]}, index=[9]), "0,0.5,x,a.csv", ["p", "3"]),
        ({"label": np.array([1]), "p": np.array([[0.25, 0.75]])}, "0,1,0.25,0.75,a.csv", ["label", "p_0", "p_1"]),
        ([{"label": "a", "p": 0.5}], "0,a,0.5,a.csv", ["label", "p"]),
        (pd.DataFrame({"index": [5]}), "0,5,a.csv", ["prediction_index"]),
    ],
)
def test_predictions_become_cells_and_named_columns(
    load: Loaded, tmp_path: Path, predictions: Any, line: str, names: list[str]
) -> None:
    script = load(lambda _: predictions)
    path = write(tmp_path, "a.csv", "x\n1\n")
    assert script.run([path]) == [line]
    assert list(script.run([path], TABLE).columns) == ["index", *names, "file_name"]


def test_columns_are_called_what_the_signature_calls_them(load: Loaded, tmp_path: Path) -> None:
    script = load(lambda _: np.array([[1, 2]]), outputs=columns(low="long", high="long"))
    found = script.run([write(tmp_path, "a.csv", "x\n1\n")], TABLE)
    assert found.to_dict("list") == {"index": [0], "low": [1], "high": [2], "file_name": ["a.csv"]}


# The files themselves


def test_the_scripts_are_ones_that_python_3_8_can_read() -> None:
    for script in SCRIPTS.glob("*.py"):
        ast.parse(script.read_text(), feature_version=(3, 8))
