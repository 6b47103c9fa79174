import os
from pathlib import Path


def init():
    assert (Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "model.txt").is_file()


def run(mini_batch):
    return ["first " + Path(path).name for path in mini_batch]
