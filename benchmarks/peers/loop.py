"""A bare loop in one process."""

from __future__ import annotations

from parts import arguments, load, text_of


def main() -> None:
    script, mini_batches, output = arguments()
    module = load(script)
    with open(output, "w") as out:
        for mini_batch in mini_batches:
            out.write(text_of(module.run(mini_batch)))


if __name__ == "__main__":
    main()
