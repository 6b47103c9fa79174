"""Ray Data: the mini-batches as a dataset of 20 blocks, mapped by two actors."""

from __future__ import annotations

import ray
from parts import arguments, load, text_of


class Scorer:
    def __init__(self, script: str) -> None:
        self.module = load(script)

    def __call__(self, row: dict[str, list[str]]) -> dict[str, str]:
        return {"text": text_of(self.module.run(list(row["paths"])))}


def main() -> None:
    script, mini_batches, output = arguments()
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=1 << 30, configure_logging=False
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    inputs = ray.data.from_items([{"paths": mini_batch} for mini_batch in mini_batches], override_num_blocks=20)
    scored = inputs.map(Scorer, fn_constructor_args=(script,), concurrency=2)
    with open(output, "w") as out:
        for row in scored.iter_rows():
            out.write(row["text"])
    ray.shutdown()


if __name__ == "__main__":
    main()
