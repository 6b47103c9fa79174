"""Judges a model by rows that it has not seen: `report.json` with what matters to a clinic."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

LABEL, NAME = "is_benign", "tumor"


def main() -> None:
    given = argparse.ArgumentParser()
    for name in ("model", "test", "report"):
        given.add_argument(f"--{name}", type=Path, required=True)
    paths = given.parse_args()
    table = pd.read_csv(paths.test, index_col=NAME)
    model = mlflow.sklearn.load_model(str(paths.model))
    features, truth = table.drop(columns=LABEL), table[LABEL]
    told = model.predict(features)
    found = {
        "accuracy": accuracy_score(truth, told),
        "malignant_found": recall_score(truth, told, pos_label=0),
        "roc_auc": roc_auc_score(truth, model.predict_proba(features)[:, 1]),
    }
    with mlflow.start_run():
        mlflow.log_metrics(found)
    (paths.report / "report.json").write_text(json.dumps({"rows": len(table), **found}, indent=2) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
