"""Trains a classifier on two thirds of scikit-learn's wines, saves it with mlflow, and writes the others as input.

Writes below the current folder: `model`, `input` (tables in three formats, and a file that is none) and `labels.csv`
with what the wines of the input really are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FILES = ("2023/wines-0.csv", "2023/wines-1.csv", "2024/wines-2.jsonl", "wines-3.parquet")


def main() -> None:
    wines, cultivars = load_wine(return_X_y=True, as_frame=True)
    known, unknown, answers, labels = train_test_split(wines, cultivars, test_size=60, random_state=7)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(known, answers)
    shutil.rmtree("model", ignore_errors=True)
    mlflow.sklearn.save_model(model, "model", signature=infer_signature(known, model.predict(known)))
    write_input(Path("input"), unknown.reset_index(drop=True), labels.tolist())


def write_input(folder: Path, wines: pd.DataFrame, labels: list[int]) -> None:
    size = len(wines) // len(FILES)
    told = []
    for number, name in enumerate(FILES):
        part = wines[number * size : (number + 1) * size]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            part.to_csv(path, index=False)
        elif path.suffix == ".jsonl":
            part.to_json(path, orient="records", lines=True)
        else:
            part.to_parquet(path, index=False)
        told += [(name, row, labels[number * size + row]) for row in range(size)]
    (folder / "notes.txt").write_text("Bottled in spring.\n")
    pd.DataFrame(told, columns=["file_name", "index", "cultivar"]).to_csv("labels.csv", index=False)


if __name__ == "__main__":
    main()
