"""Writes the demo's input: half of scikit-learn's handwritten digits as PNG files, and two models trained on the rest.

Run as `python train.py FOLDER`. The pictures scored are never those trained on.
"""

from __future__ import annotations

import csv
import pickle
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

TRAINED_ON = 900


def main(folder: Path) -> None:
    digits = load_digits()
    # As they are in the PNG files: 16 grey levels spread over a byte.
    pixels = (digits.data * 15.9375).astype(np.uint8)
    for name, classifier in (("baseline", GaussianNB(var_smoothing=0.1)), ("candidate", SVC(gamma=1e-5, C=10.0))):
        classifier.fit(pixels[:TRAINED_ON].astype(float), digits.target[:TRAINED_ON])
        target = folder / "models" / name / "model" / "classifier.pkl"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(pickle.dumps(classifier))
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    with open(folder / "labels.csv", "w", newline="") as stream:
        labels = csv.writer(stream)
        for position in range(TRAINED_ON, len(pixels)):
            name = f"digit-{position:04d}.png"
            Image.fromarray(pixels[position].reshape(8, 8)).save(images / name)
            labels.writerow([name, digits.target[position]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
