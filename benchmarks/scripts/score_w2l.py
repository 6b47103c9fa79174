"""W2L: JPEG of 320x320, decoded and resized to 224x224 by PIL, classified by a small convolutional net in ONNX."""

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
    model = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "conv.onnx")
    SESSION = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    READY = time.monotonic()


def run(mini_batch):
    rows = []
    for path in mini_batch:
        with Image.open(path) as image:
            pixels = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), np.float32)
        (scores,) = SESSION.run(None, {"image": pixels.transpose(2, 0, 1)[None] / 255.0})
        label = int(scores[0].argmax())
        rows.append("%s %d %.4f" % (os.path.basename(path), label, scores[0, label]))
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
