"""Compares scores with what the tumours really are. Run as `python judge.py FOLDER`, an output `scores`."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd


def main(folder: Path) -> None:
    found = pd.read_csv(folder / "scores.csv", names=["file", "tumor", "probability"])
    both = found.merge(pd.read_csv("truth.csv"), on="tumor")
    right = ((both.probability > 0.5) == both.is_benign.astype(bool)).sum()
    print(f"{right} of {len(both)} tumours are told right")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
