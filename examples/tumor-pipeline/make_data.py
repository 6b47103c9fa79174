"""Writes scikit-learn's table of breast tumours as a clinic has it: `input/history` with what they were, `input/new`.

569 tumours, 30 measurements of each; some measurements are missing, as they are in any clinic, and each file of `new`
is a day. `truth.csv` says what the tumours of `new` really are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

KNOWN, DAYS = 400, 4


def main() -> None:
    table = load_breast_cancer(as_frame=True).frame.sample(frac=1, random_state=3).reset_index(drop=True)
    table = table.rename(columns={"target": "is_benign"})
    is_missing = np.random.default_rng(3).random(table.shape) < 0.02
    is_missing[:, table.columns.get_loc("is_benign")] = False
    table = table.mask(is_missing)
    table["is_benign"] = table["is_benign"].astype(int)
    write(table[:KNOWN], Path("input/history"), files=2)
    unknown = table[KNOWN:].reset_index(drop=True)
    write(unknown.drop(columns="is_benign"), Path("input/new"), files=DAYS)
    unknown[["is_benign"]].to_csv("truth.csv", index_label="tumor")


def write(table: pd.DataFrame, folder: Path, *, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(len(table)), files)):
        table.iloc[rows].to_csv(folder / f"day-{number}.csv", index_label="tumor")


if __name__ == "__main__":
    main()
