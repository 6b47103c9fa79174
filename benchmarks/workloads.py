"""Inputs from fixed seeds, made once and kept."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Workload:
    """One table of the report. files: how many; mini_batch_size: files for one run()."""

    name: str
    script: Path
    files: int
    mini_batch_size: int

    def input_folder(self, root: Path) -> Path:
        """Give the folder of the input, made when it is not there."""
        folder = root / f"{self.script.stem}-{self.files}"
        if not (folder.with_suffix(".ready")).exists():
            folder.mkdir(parents=True, exist_ok=True)
            _fill(folder, self.files, is_empty=self.script.stem == "score_w4")
            folder.with_suffix(".ready").touch()
        return folder


WORKLOADS = (
    Workload("W1 mb10, 20,000 files", SCRIPTS / "score_w1.py", 20_000, 10),
    Workload("W1 mb100, 20,000 files", SCRIPTS / "score_w1.py", 20_000, 100),
    Workload("W4, 100,000 no-op", SCRIPTS / "score_w4.py", 100_000, 1),
)


def _fill(folder: Path, files: int, *, is_empty: bool) -> None:
    chance = random.Random(20261122)
    for k in range(files):
        path = folder / f"{k:06d}.json"
        if is_empty:
            path.touch()
        else:
            path.write_text(json.dumps({"id": k, "values": [chance.uniform(-9, 9) for _ in range(13)]}))
