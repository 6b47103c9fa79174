"""W2: PNG of 28x28, decoded by PIL, classified by a small multi-layer perceptron in ONNX."""

import time

BEGAN = READY = time.monotonic()

import os  # noqa: E402

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from PIL import Image  # noqa: E402

SESSION = None
FIRST = os.environ.get("BENCH_FIRST")


def init():
    global SESSION, READY
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    model = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "mlp.onnx")
    SESSION = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    READY = time.monotonic()


def run(mini_batch):
    pixels = np.empty((len(mini_batch), 784), np.float32)
    for at, path in enumerate(mini_batch):
        with Image.open(path) as image:
            pixels[at] = np.asarray(image, np.float32).reshape(784)
    (scores,) = SESSION.run(None, {"pixels": pixels / 255.0})
    rows = [
        "%s %d %.4f" % (os.path.basename(path), label, score[label])
        for path, label, score in zip(mini_batch, scores.argmax(axis=1), scores)
    ]
    if FIRST:
        mark_first()
    return rows


def mark_first():
    """Write down once when import began, init() and the first run() ended; the same in every script here."""
    global FIRST
    try:
        with open(FIRST, "x") as out:
            out.write("%r %r %r" % (BEGAN, READY, time.monotonic()))
    except FileExistsError:
        pass
    FIRST = None
