"""joblib over loky. Option: the batch size, `auto` when left out."""

from __future__ import annotations

import sys
from types import ModuleType

from joblib import Parallel, delayed
from parts import arguments, load, text_of


class Scorer:
    """Carries the script's path to the workers, each of which loads it once."""

    module: ModuleType | None = None

    def __init__(self, script: str) -> None:
        self.script = script

    def __call__(self, mini_batch: list[str]) -> str:
        if Scorer.module is None:
            Scorer.module = load(self.script)
        return text_of(Scorer.module.run(mini_batch))


def main() -> None:
    script, mini_batches, output = arguments()
    batch_size = int(sys.argv[5]) if len(sys.argv) > 5 else "auto"
    parallel = Parallel(n_jobs=2, return_as="generator_unordered", batch_size=batch_size)
    score = Scorer(script)
    with open(output, "w") as out:
        for text in parallel(delayed(score)(mini_batch) for mini_batch in mini_batches):
            out.write(text)


if __name__ == "__main__":
    main()
