"""mlflow's own command line: one process, one CSV (the files joined), predictions as JSON, put beside their keys.

It takes the script's place too: the model is loaded and called by mlflow.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

from parts import arguments


def main() -> None:
    _, mini_batches, output = arguments()
    paths = [path for mini_batch in mini_batches for path in mini_batch]
    joined, predicted = f"{output}.csv", f"{output}.json"
    with open(joined, "wb") as out:
        for at, path in enumerate(paths):
            with open(path, "rb") as part:
                header = part.readline()
                out.write(b"" if at else header)
                out.write(part.read())
    model = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "pyfunc")
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--model-uri", model, "--input-path", joined]
    command += ["--output-path", predicted, "--content-type", "csv", "--env-manager", "local"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(predicted) as stream:
        predictions = json.load(stream)["predictions"]
    with open(joined, newline="") as keys, open(output, "w") as out:
        rows = csv.reader(keys)
        next(rows)
        for row, score in zip(rows, predictions, strict=True):
            out.write(f"{row[0]} {round(score, 6)}\n")
    os.remove(joined)
    os.remove(predicted)


if __name__ == "__main__":
    main()
