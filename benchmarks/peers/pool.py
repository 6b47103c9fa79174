"""multiprocessing.Pool. Option: the chunksize, 1 when left out."""

from __future__ import annotations

import multiprocessing
import sys
from types import ModuleType

from parts import arguments, load, text_of

module: ModuleType


def start(script: str) -> None:
    global module
    module = load(script)


def score(mini_batch: list[str]) -> str:
    return text_of(module.run(mini_batch))


def main() -> None:
    script, mini_batches, output = arguments()
    chunksize = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    with multiprocessing.Pool(2, start, (script,)) as pool, open(output, "w") as out:
        for text in pool.imap_unordered(score, mini_batches, chunksize):
            out.write(text)


if __name__ == "__main__":
    main()
