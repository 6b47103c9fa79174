"""concurrent.futures.ProcessPoolExecutor, a future for each mini-batch."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
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
    with ProcessPoolExecutor(2, initializer=start, initargs=(script,)) as executor, open(output, "w") as out:
        for future in as_completed([executor.submit(score, mini_batch) for mini_batch in mini_batches]):
            out.write(future.result())


if __name__ == "__main__":
    main()
