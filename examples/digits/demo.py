"""The main job of batchyard, end to end: an endpoint, two deployments, a switch of the default, predictions.

Run as `make demo`. It prints each command before running it, so it can be read as a tutorial and typed by hand.
Everything it makes is below `.demo/`; it leaves no process behind.
"""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / ".demo"
HERE = Path("examples/digits")
BATCHYARD = Path(sys.executable).with_name("batchyard")
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def main() -> int:
    started = time.monotonic()
    os.chdir(ROOT)
    say("To type this by hand, say first where the command and its home are.")
    print(f"{BOLD}$ export PATH=$PWD/.venv/bin:$PATH BATCHYARD_HOME=$PWD/.demo/home{PLAIN}")
    say("The input: 897 pictures of handwritten digits, and two models trained on 900 others.")
    run(sys.executable, str(HERE / "train.py"), ".demo/digits", shown=f"python {HERE / 'train.py'} .demo/digits")
    try:
        walk_through()
    finally:
        say("Done: the server is stopped. Everything is still there and comes back with the next command.")
        batchyard("server", "stop", "--output", "none")
    print(f"{DIM}The demo took {time.monotonic() - started:.1f} s. Its home is .demo/home.{PLAIN}")
    return 0


def walk_through() -> None:
    say("A compute to run on, and two registered models. The first command starts the embedded server.")
    batchyard("compute", "create", "--file", f"{HERE}/compute.yml", "--output", "none")
    for name in ("baseline", "candidate"):
        batchyard("model", "create", "--file", f"{HERE}/model-{name}.yml", "--output", "none")

    say("An endpoint with two deployments. Their environment is built once and shared; the first is the default.")
    batchyard("batch-endpoint", "create", "--file", f"{HERE}/endpoint.yml", "--output", "none")
    for name in ("baseline", "candidate"):
        batchyard("batch-deployment", "create", "--file", f"{HERE}/deployment-{name}.yml", "--output", "none")
    switch_default("baseline", reason="the model in use")
    batchyard("batch-deployment", "list", "--endpoint-name", "digits", "--output", "table")

    say("A consumer invokes the endpoint. It knows the endpoint's name and nothing else.")
    consume("baseline")

    say("The candidate is tried by name; the default stays what it is.")
    consume("candidate", "--deployment-name", "candidate")

    say("It is better, so it becomes the default. The consumer's command is the same as before.")
    switch_default("candidate", reason="higher accuracy")
    consume("candidate")

    say("And back again, as one does at night. The history says who, when, from, to and why.")
    switch_default("baseline", reason="rehearsing the way back")
    batchyard("batch-endpoint", "show", "--name", "digits", "--query", "default_history[:3]", "--output", "table")


def switch_default(name: str, *, reason: str) -> None:
    batchyard(
        *("batch-endpoint", "update", "--name", "digits", "--set", f"defaults.deployment_name={name}"),
        *("--reason", reason, "--output", "none"),
    )


def consume(expected: str, *more: str) -> None:
    """Invoke, follow, download and judge, as a consumer's script would."""
    invoke = ("batch-endpoint", "invoke", "--name", "digits", "--input", ".demo/digits/images", *more)
    job = batchyard(*invoke, "--query", "name", "--output", "tsv", keep=True)
    batchyard("job", "stream", "--name", job)
    reached = batchyard("job", "show", "--name", job, "--query", "deployment_name", "--output", "tsv", keep=True)
    if reached != expected:
        raise SystemExit(f"The job reached {reached!r}, expected {expected!r}.")
    target = DEMO / "outputs" / job
    batchyard("job", "download", "--name", job, "--download-path", f".demo/outputs/{job}", "--output", "none")
    show_predictions(target / "named-outputs" / "score" / "predictions.csv", reached)


def show_predictions(path: Path, deployment: str) -> None:
    with open(DEMO / "digits" / "labels.csv", newline="") as stream:
        labels = dict(csv.reader(stream))
    predictions = dict(line.split(" ") for line in path.read_text().splitlines())
    for name, digit in list(predictions.items())[:3]:
        print(f"  {name} {digit}   {DIM}(is {labels[name]}){PLAIN}")
    right = sum(predictions.get(name) == digit for name, digit in labels.items())
    share = 100 * right / len(labels)
    print(f"  {BOLD}{deployment}{PLAIN}: {len(predictions)} predictions, {share:.1f} % of {len(labels)} are right")


def batchyard(*arguments: str, keep: bool = False) -> str:
    return run(str(BATCHYARD), *arguments, shown=shlex.join(["batchyard", *arguments]), keep=keep)


def run(*command: str, shown: str, keep: bool = False) -> str:
    """Print a command, run it, and give what it printed when that is to be kept."""
    print(f"{BOLD}$ {shown}{PLAIN}", flush=True)
    environment = {**os.environ, "BATCHYARD_HOME": str(DEMO / "home")}
    for name in ("PYTHONDONTWRITEBYTECODE", "BATCHYARD_URL"):
        environment.pop(name, None)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE if keep else None, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"That ended with exit code {done.returncode}.")
    if keep:
        print(done.stdout, end="", flush=True)
    return (done.stdout or "").strip()


def say(text: str) -> None:
    print(f"\n{BOLD}# {text}{PLAIN}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
