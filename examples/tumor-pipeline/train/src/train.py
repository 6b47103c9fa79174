"""Trains a logistic regression on prepared tables, keeping a part of the rows for the test."""

from __future__ import annotations

import argparse
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

LABEL, NAME = "is_benign", "tumor"


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--data", type=Path, required=True)
    given.add_argument("--regularization", type=float, required=True)
    given.add_argument("--held-out", type=float, required=True)
    given.add_argument("--model", type=Path, required=True)
    given.add_argument("--test", type=Path, required=True)
    asked = given.parse_args()
    table = pd.concat(pd.read_csv(path, index_col=NAME) for path in sorted(asked.data.glob("*.csv")))
    known, test = train_test_split(table, test_size=asked.held_out, random_state=0, stratify=table[LABEL])
    features = known.drop(columns=LABEL)
    with mlflow.start_run():
        mlflow.log_param("regularization", asked.regularization)
        model = LogisticRegression(C=1 / asked.regularization, max_iter=1000).fit(features, known[LABEL])
        mlflow.log_metric("training_accuracy", model.score(features, known[LABEL]))
    mlflow.sklearn.save_model(model, asked.model, signature=infer_signature(features, model.predict(features)))
    test.to_csv(asked.test)
    print(f"trained on {len(known)} tumours, {len(test)} are held out")


if __name__ == "__main__":
    main()
