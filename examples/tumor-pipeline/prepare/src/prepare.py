"""Fills what is missing in tables of tumours and scales all columns, as was learned from other tables or from these."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import joblib
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LABEL, NAME = "is_benign", "tumor"


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--data", type=Path, required=True)
    given.add_argument("--transformations", type=Path)
    given.add_argument("--prepared", type=Path, required=True)
    given.add_argument("--learned", type=Path, required=True)
    paths = given.parse_args()
    tables = {path.name: pd.read_csv(path, index_col=NAME) for path in sorted(paths.data.glob("*.csv"))}
    features = [name for name in next(iter(tables.values())).columns if name != LABEL]
    if paths.transformations is None:
        steps = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        steps.fit(pd.concat(tables.values())[features])
        joblib.dump(steps, paths.learned / "transformations.joblib")
    else:
        found = next(paths.transformations.rglob("transformations.joblib"))
        steps = joblib.load(found)
        shutil.copy(found, paths.learned)
    for name, table in tables.items():
        table[features] = steps.transform(table[features])
        table.to_csv(paths.prepared / name)
    print(f"{sum(map(len, tables.values()))} tumours of {len(tables)} tables are prepared")


if __name__ == "__main__":
    main()
