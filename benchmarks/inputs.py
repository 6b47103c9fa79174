"""Inputs from fixed seeds, made once below `.bench/inputs` and kept as long as this file stays as it is."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

SEED = 20261122


def input_folder(root: Path, kind: str, files: int) -> Path:
    """Give the folder with the input, made if it is not there."""
    return kept(root / "inputs", f"{kind}-{files}", [Path(__file__)], lambda folder: _FILL[kind](folder, files))


def kept(root: Path, name: str, made_by: Sequence[Path], fill: Callable[[Path], None]) -> Path:
    """Give a folder that `fill` filled, now or earlier by the same sources; older ones of that name are deleted."""
    version = hashlib.sha256(b"".join(path.read_bytes() for path in made_by)).hexdigest()[:12]
    folder = root / f"{name}-{version}"
    if folder.is_dir():
        return folder
    print(f"making {name} …", file=sys.stderr, flush=True)
    for older in root.glob(f"{name}-????????????"):
        shutil.rmtree(older)
    unfinished = root / f"unfinished-{name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    fill(unfinished)
    return unfinished.rename(folder)


def _json(folder: Path, files: int) -> None:
    chance = random.Random(SEED)
    for k in range(files):
        document = {"id": k, "values": [chance.uniform(-9, 9) for _ in range(13)]}
        (folder / f"{k:06d}.json").write_text(json.dumps(document))


def _empty(folder: Path, files: int) -> None:
    for k in range(files):
        (folder / f"{k:06d}.bin").touch()


def _png(folder: Path, files: int) -> None:
    from PIL import Image

    images, _ = digits(files)
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{k:05d}.png")


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Give that many handwritten digits of 28x28, resized, shifted and with noise, and what they are."""
    from PIL import Image
    from sklearn.datasets import load_digits

    chance, known = np.random.default_rng(SEED), load_digits()
    images = np.zeros((count, 28, 28), np.uint8)
    chosen = chance.integers(0, len(known.target), count)
    for at, which in enumerate(chosen):
        small = Image.fromarray((known.images[which] * 15.9).astype(np.uint8))
        x, y = chance.integers(0, 9, 2)
        images[at, y : y + 20, x : x + 20] = np.asarray(small.resize((20, 20), Image.Resampling.BILINEAR))
    noise = chance.integers(0, 32, images.shape, dtype=np.uint8)
    return np.where(images > 223, images, images + noise), known.target[chosen]


def _images(folder: Path, files: int) -> None:
    """Many names in nested folders, hard-linked to some thousand images; one in a hundred is no image."""
    pictures = folder.parent / f"{folder.name}.pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir()
    _png(pictures, 5_000)
    for k in range(50):
        (pictures / f"bad{k}").write_bytes(b"no image %d" % k)
    chance = random.Random(SEED)
    for k in range(files):
        place = folder / f"camera-{k % 53:02d}" / f"{k // 53 % 100:02d}"
        if k < 5_300:
            place.mkdir(parents=True, exist_ok=True)
        source = f"bad{k % 50}" if chance.random() < 0.01 else f"{k % 5_000:05d}.png"
        os.link(pictures / source, place / f"{k:06d}.png")
    shutil.rmtree(pictures)


def _jpeg(folder: Path, files: int) -> None:
    from PIL import Image

    images, _ = textures(files, edge=320)
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{k:05d}.jpg", quality=85)


def textures(count: int, *, edge: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Give that many pictures of stripes in one of eight directions, coloured and with noise, and the direction."""
    chance = np.random.default_rng(SEED)
    y, x = np.mgrid[0:edge, 0:edge] / edge
    kinds = chance.integers(0, 8, count)
    made = []
    for kind in kinds:
        turn, waves, phase = kind * np.pi / 8, chance.uniform(12, 24), chance.uniform(0, 6)
        stripes = np.sin(2 * np.pi * waves * (x * np.cos(turn) + y * np.sin(turn)) + phase)
        colour = chance.uniform(40, 110, 3)
        image = 128 + stripes[..., None] * colour + chance.normal(0, 18, (edge, edge, 3))
        made.append(image.clip(0, 255).astype(np.uint8))
    return made, kinds


def _csv(folder: Path, files: int) -> None:
    for k in range(files):
        table, _ = customers(50_000, seed=SEED + k, first=50_000 * k)
        table.to_csv(folder / f"{k:02d}.csv", index=False)


def customers(count: int, *, seed: int, first: int = 0):  # type: ignore[no-untyped-def]  # pandas is not always there
    """Give a table of customers with 13 features, and the number to be predicted for each."""
    import pandas as pd

    chance = np.random.default_rng(seed)
    values = chance.normal(0, 1, (count, 13)).round(5)
    target = values[:, 0] * 2 + np.sin(values[:, 1] * 3) + values[:, 2] * values[:, 3] + chance.normal(0, 0.3, count)
    table = pd.DataFrame(values, columns=[f"f{k:02d}" for k in range(13)])
    table.insert(0, "customer", range(first, first + count))
    return table, target


_FILL: dict[str, Callable[[Path, int], None]] = {
    "json": _json,
    "empty": _empty,
    "png": _png,
    "images": _images,
    "jpeg": _jpeg,
    "csv": _csv,
}
