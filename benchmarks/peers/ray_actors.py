"""Two Ray actors behind an ActorPool."""

from __future__ import annotations

import ray
from parts import arguments, load, text_of
from ray.util import ActorPool


@ray.remote(num_cpus=1)
class Scorer:
    def __init__(self, script: str) -> None:
        self.module = load(script)

    def score(self, mini_batch: list[str]) -> str:
        return text_of(self.module.run(mini_batch))


def main() -> None:
    script, mini_batches, output = arguments()
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=1 << 30, configure_logging=False
    )
    pool = ActorPool([Scorer.remote(script) for _ in range(2)])
    with open(output, "w") as out:
        for text in pool.map_unordered(lambda actor, mini_batch: actor.score.remote(mini_batch), mini_batches):
            out.write(text)
    ray.shutdown()


if __name__ == "__main__":
    main()
