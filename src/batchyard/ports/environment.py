"""Environments: what a deployment asks for becomes an interpreter with packages, once, and is used by hash."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TextIO

from batchyard.domain.assets import Environment, EnvironmentBuild
from batchyard.domain.errors import Mistake
from batchyard.domain.outputs.verification import Events


class Environments(Protocol):
    """The cache of built environments. Safe to use from several processes at once."""

    def mistakes(self, environment: Environment) -> list[Mistake]:
        """Name everything in the definition that can never be built (unknown conda names with their remedy, refused
        lines, no requirements at all is fine). Builds nothing, reaches no index."""

    def build(self, environment: Environment, log: TextIO) -> EnvironmentBuild:
        """Lock, install and compile the environment, or give the one already built for the same lock.

        log: the build's own output goes there, line by line. The build runs in a child with a made-up environment.
        Raises: InvalidInput for `mistakes`; ScriptError when it cannot be resolved or installed; PlatformError.
        """

    def built(self, environment: Environment) -> EnvironmentBuild | None:
        """Give what `build` would give at once, as it is built already; else None. Builds nothing, reaches no index.

        Raises: InvalidInput for `mistakes`; ScriptError, PlatformError as `build`."""

    def python(self, build: EnvironmentBuild) -> Path:
        """Give the interpreter of a built environment. Raises: PlatformError when it is gone from the cache."""

    def check(self, build: EnvironmentBuild) -> Events:
        """Say whether a built environment still is the one of its lock, and its packages' files as they were installed.

        Every file that is not, or is gone, is named (subject `environment`). Runs nothing of the environment.
        """
