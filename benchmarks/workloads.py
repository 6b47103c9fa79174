"""The workloads: which script scores which input in mini-batches of which size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Workload:
    """One table of the report. inputs: kind and number of files; model: made by `models`, "" for none.

    rounds: pairs of limit and engine in the short set, which has to be over within ten minutes.
    is_long: only in the long set.
    isolates: whether batchyard looks for the failing items of a mini-batch, as it does unless told otherwise.
    """

    name: str
    short: str
    title: str
    script: str
    inputs: tuple[str, int]
    mini_batch_size: int
    model: str = ""
    rounds: int = 9
    is_long: bool = False
    isolates: bool = True

    @property
    def script_path(self) -> Path:
        """Where the scoring script is."""
        return SCRIPTS / self.script

    @property
    def mini_batches(self) -> int:
        """How many the input is cut into."""
        return -(-self.inputs[1] // self.mini_batch_size)


def _w1(name: str, files: int, size: int, *, rounds: int = 9) -> Workload:
    title = f"W1: {files:,} small JSON files, mini-batches of {size}"
    short = f"W1 {files // 1000}k" if size == 10 else f"W1 {files // 1000}k mb{size}"
    return Workload(name, short, title, "score_w1.py", ("json", files), size, "", rounds)


def _images(name: str, title: str, *, isolates: bool) -> Workload:
    """The limit has no name for an image that gives no row; finding it takes runs of parts of its mini-batch."""
    source = ("images", 530_000)
    return Workload(name, "Images", title, "score_images.py", source, 10, "mlp", 2, is_long=True, isolates=isolates)


_IMAGES = "530,000 nested images, one in a hundred damaged"
_ALL = (
    _w1("w1", 20_000, 10),
    _w1("w1-mb100", 20_000, 100),
    _w1("w1-100k", 100_000, 10),
    _w1("w1-500k", 500_000, 10, rounds=2),
    Workload("w2", "W2", "W2: 5,000 PNG of 28×28, perceptron in ONNX", "score_w2.py", ("png", 5_000), 10, "mlp"),
    Workload("w2l", "W2L", "W2L: 1,000 JPEG of 320×320, conv net in ONNX", "score_w2l.py", ("jpeg", 1_000), 10, "conv"),
    Workload("w3", "W3", "W3: 20 CSV of 50,000 rows, boosting", "score_w3.py", ("csv", 20), 1, "boosting", 4),
    Workload("w3m", "W3M", "W3M: as W3, model loaded by MLflow", "score_w3m.py", ("csv", 20), 1, "boosting", 2),
    Workload("w4", "W4", "W4: 100,000 no-op mini-batches", "score_w4.py", ("empty", 100_000), 1),
    Workload("w4-10k", "W4 10k", "W4: 10,000 no-op mini-batches", "score_w4.py", ("empty", 10_000), 1, "", 5),
    _images("images", _IMAGES, isolates=False),
    _images("images-isolated", f"{_IMAGES}, each of these found", isolates=True),
)
WORKLOADS = {workload.name: workload for workload in _ALL}
