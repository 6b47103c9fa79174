"""W1: small JSON files; parse and a 13-term dot product in pure Python."""

import json
import os

WEIGHTS = ()


def init():
    global WEIGHTS
    WEIGHTS = tuple(0.37 * k - 2.0 for k in range(13))


def run(mini_batch):
    rows = []
    for path in mini_batch:
        with open(path) as stream:
            values = json.load(stream)["values"]
        score = sum(w * v for w, v in zip(WEIGHTS, values))
        rows.append("%s %.6f" % (os.path.basename(path), score))
    return rows
