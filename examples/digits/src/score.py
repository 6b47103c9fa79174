"""Scores pictures of digits. `init` runs once in each worker process, `run` once for each mini-batch."""

import os
import pickle

import numpy as np
from PIL import Image

model = None


def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "classifier.pkl"), "rb") as stream:
        model = pickle.load(stream)
    print("model loaded")


def run(mini_batch):
    pixels = np.stack([np.asarray(Image.open(path), dtype=float).reshape(-1) for path in mini_batch])
    digits = model.predict(pixels)
    return [f"{os.path.basename(path)} {digit}" for path, digit in zip(mini_batch, digits)]
