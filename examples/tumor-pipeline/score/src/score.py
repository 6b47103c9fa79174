"""Scores tables of tumours: a line for each, `file,tumor,probability that it is benign`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd

model: Any = None


def init() -> None:
    global model
    given = argparse.ArgumentParser()
    given.add_argument("--model", required=True)
    asked, _ = given.parse_known_args()
    model = mlflow.sklearn.load_model(asked.model)


def run(mini_batch: list[str]) -> list[str]:
    lines = []
    for path in map(Path, mini_batch):
        table = pd.read_csv(path, index_col="tumor")
        for tumor, probability in zip(table.index, model.predict_proba(table)[:, 1], strict=True):
            lines.append(f"{path.name},{tumor},{probability:.4f}")
    return lines
