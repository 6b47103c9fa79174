"""As W2, and what is no image is left out: it is counted as failed, and its neighbours are scored."""

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
    names, pixels = [], []
    for path in mini_batch:
        try:
            with Image.open(path) as image:
                pixels.append(np.asarray(image, np.float32).reshape(784))
        except OSError:
            continue
        names.append(os.path.basename(path))
    if not names:
        return []
    (scores,) = SESSION.run(None, {"pixels": np.stack(pixels) / 255.0})
    rows = ["%s %d %.4f" % (name, label, score[label]) for name, label, score in zip(names, scores.argmax(1), scores)]
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
