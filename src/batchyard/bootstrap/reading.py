"""Reads a deployment's YAML in a child of its own, so that its reader is imported beside the engine."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from batchyard.bootstrap.local_deployment import LocalDeployment
from batchyard.domain.errors import BatchyardError, PlatformError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """A deployment that a child reads. child: its pid; answer: the end of a pipe that it writes to once."""

    child: int
    answer: int

    def wait(self) -> LocalDeployment:
        """Give the deployment, once. Raises: what reading it raised; PlatformError when the child came to nothing."""
        with open(self.answer, "rb") as stream:
            told = stream.read()
        os.waitpid(self.child, 0)
        if not told:
            raise PlatformError("The process that reads the deployment ended without having read it.")
        # Written by our own child, from whose memory nobody else could take the other end of the pipe.
        found = pickle.loads(told)
        if isinstance(found, LocalDeployment):
            return found
        raise found


def start_reading(path: Path, assignments: Sequence[str]) -> Reading:
    """Have a child read the file as `read_local_deployment` does; this process has to have one thread."""
    answer, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answer)
        _tell(path, assignments, telling)
    os.close(telling)
    return Reading(child, answer)


def _tell(path: Path, assignments: Sequence[str], telling: int) -> NoReturn:
    try:
        # The parent asked by Ctrl-C or killed: nobody reads any more, and the parent says so itself.
        with suppress(KeyboardInterrupt, BrokenPipeError), open(telling, "wb") as stream:
            pickle.dump(_read(path, assignments), stream)
    except BaseException:
        log.exception("the deployment was not read")
    finally:
        sys.stderr.flush()
        os._exit(0)


def _read(path: Path, assignments: Sequence[str]) -> LocalDeployment | Exception:
    from batchyard.bootstrap.deployment_reading import read_local_deployment

    try:
        return read_local_deployment(path, assignments)
    except BatchyardError as exc:
        return exc
    except ValueError as exc:  # Of libraries, too, whose own classes may not go through a pipe.
        return ValueError(str(exc))
