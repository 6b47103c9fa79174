"""Compares predictions with what the wines really are. Run as `python judge.py FOLDER`, an output of this example."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd


def main(folder: Path) -> None:
    found = pd.read_csv(folder / "predictions.csv", names=["index", "prediction", "file_name"])
    both = found.merge(pd.read_csv("labels.csv"), on=["file_name", "index"])
    print(f"{(both.prediction == both.cultivar).sum()} of {len(both)} wines are told right")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
