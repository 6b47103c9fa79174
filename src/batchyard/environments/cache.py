"""The cache of built environments on the local disk: the implementation of `ports/environment.py`.

Below the root: `<sha256>/` one environment each, `.locks/` what a definition was resolved to, `.turns/` lock files,
`.work/` folders of running builds, `.uv-cache/` packages, `pythons.json` the interpreters found.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from uv import find_uv_bin

from batchyard.domain.assets import Environment, EnvironmentBuild
from batchyard.domain.errors import InvalidInput, Mistake, PlatformError
from batchyard.domain.outputs.verification import Events
from batchyard.environments.build import Installed, install, python_of, read_marker
from batchyard.environments.checks import check_environment
from batchyard.environments.conda import reviewed_names
from batchyard.environments.files import remove_tree, write_whole
from batchyard.environments.index_settings import child_environment, index_identity, index_variables, pip_config_files
from batchyard.environments.lock import definition_key, lock_hash, lock_requirements
from batchyard.environments.pythons import Interpreter, choose, find_interpreters, own_interpreter
from batchyard.environments.resolve import Definition, read_definition
from batchyard.environments.turns import turn
from batchyard.environments.uv_child import UvChild


@dataclass(frozen=True, slots=True)
class _Order:
    """One definition on its way through the cache. key: `definition_key`. index: where packages come from."""

    subject: str
    requirements: tuple[str, ...]
    interpreter: Interpreter
    index: Mapping[str, str]
    key: str


class LocalEnvironments:
    """Environments below one folder, shared by every process that is given the same one."""

    def __init__(self, root: Path, *, allow_source_builds: bool, timeout_s: float, environ: Mapping[str, str]) -> None:
        """Remember how to build; touches nothing yet.

        timeout_s: for one build, and for waiting for another process that builds the same.
        environ: of the server; only its index, proxy and certificate settings reach a build, PATH and HOME tell
        where to look for interpreters and pip's configuration.
        """
        self._root = root
        self._allow_source_builds = allow_source_builds
        self._timeout_s = timeout_s
        self._environ = environ
        self._names = reviewed_names()

    def mistakes(self, environment: Environment) -> list[Mistake]:
        """Name everything in the definition that can never be built."""
        return read_definition(environment.conda_file, names=self._names)[1]

    def build(self, environment: Environment, log: TextIO) -> EnvironmentBuild:
        """Lock, install and compile the environment, or give the one already built for the same lock."""
        subject, definition = self._definition(environment)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            interpreter, fallback = self._interpreter(definition)
            sha256, installed = self._find_or_make(self._order(definition, interpreter, subject=subject), log)
        except OSError as exc:
            raise PlatformError(f"{subject} cannot be built in {self._root}: {exc}") from exc
        return _build_of(environment, definition, fallback, sha256, installed)

    def built(self, environment: Environment) -> EnvironmentBuild | None:
        """Give the environment where it is built already."""
        subject, definition = self._definition(environment)
        try:
            interpreter, fallback = self._interpreter(definition)
            ready = self._ready(self._order(definition, interpreter, subject=subject))
        except OSError as exc:
            raise PlatformError(f"{subject} cannot be looked for in {self._root}: {exc}") from exc
        return None if ready is None else _build_of(environment, definition, fallback, *ready)

    def python(self, build: EnvironmentBuild) -> Path:
        """Give the interpreter of a built environment."""
        folder = self._root / build.sha256
        if read_marker(folder) is None:
            raise PlatformError(
                f"The environment {build.sha256} is gone from {self._root}, or its Python is gone from this machine. "
                "Update the deployment to build it again."
            )
        return python_of(folder)

    def check(self, build: EnvironmentBuild) -> Events:
        """Say whether lock and packages of a built environment are as they were, naming every file that is not."""
        return check_environment(self._root / build.sha256, build)

    def _definition(self, environment: Environment) -> tuple[str, Definition]:
        """Give what messages call an environment, and what it asks for. Raises: InvalidInput."""
        subject = f"Environment '{environment.name}:{environment.version}'"
        definition, mistakes = read_definition(environment.conda_file, names=self._names)
        if mistakes:
            raise InvalidInput(subject, mistakes)
        return subject, definition

    def _interpreter(self, definition: Definition) -> tuple[Interpreter, str]:
        if not definition.python:
            return own_interpreter(), ""
        installed = find_interpreters(self._environ, memory=self._root / "pythons.json")
        return choose(definition.python, installed, own=own_interpreter())

    def _order(self, definition: Definition, interpreter: Interpreter, *, subject: str) -> _Order:
        index = index_variables(self._environ, pip_configs=pip_config_files(self._environ))
        key = definition_key(
            definition.requirements,
            interpreter,
            allow_source_builds=self._allow_source_builds,
            index_identity=index_identity(index),
        )
        return _Order(subject, definition.requirements, interpreter, index, key)

    def _find_or_make(self, order: _Order, log: TextIO) -> tuple[str, Installed]:
        """Give the environment of an order, from the cache or newly locked and installed."""
        ready = self._ready(order)
        if ready is not None:
            return ready
        count = len(order.requirements)
        log.write(f"{order.subject}: Python {order.interpreter.version_text}, {count} requirements\n")
        log.flush()
        # The turn of the definition covers resolving and installing; the turn of the environment below it, two
        # definitions that come to the same lock.
        with turn(self._turn(order.key), deadline=time.monotonic() + self._timeout_s) as held:
            return self._ready(order) or self._make(order, log, held=held)

    def _ready(self, order: _Order) -> tuple[str, Installed] | None:
        """Give the complete environment of a definition that was locked before; asks nobody."""
        lock = self._known_lock(order.key)
        if lock is None:
            return None
        sha256 = lock_hash(lock, order.interpreter)
        installed = read_marker(self._root / sha256)
        return None if installed is None else (sha256, installed)

    def _make(self, order: _Order, log: TextIO, *, held: int) -> tuple[str, Installed]:
        work = self._root / ".work" / order.key
        remove_tree(work)
        work.mkdir(parents=True)
        environ = child_environment(order.index, home=work, cache=self._root / ".uv-cache")
        uv = UvChild(find_uv_bin(), environ, log, time.monotonic() + self._timeout_s, kept_open=(held,))
        try:
            return self._install(self._lock(order, work=work, uv=uv), order, uv=uv)
        finally:
            remove_tree(work)

    def _lock(self, order: _Order, *, work: Path, uv: UvChild) -> str:
        lock = self._known_lock(order.key)
        if lock is None:
            lock = lock_requirements(
                order.requirements,
                order.interpreter,
                folder=work,
                uv=uv,
                allow_source_builds=self._allow_source_builds,
                subject=order.subject,
            )
            write_whole(self._lock_file(order.key), lock)
        return lock

    def _install(self, lock: str, order: _Order, *, uv: UvChild) -> tuple[str, Installed]:
        sha256 = lock_hash(lock, order.interpreter)
        folder = self._root / sha256
        with turn(self._turn(sha256), deadline=uv.deadline) as held:
            installed = read_marker(folder)
            if installed is None:
                installed = install(
                    lock,
                    order.interpreter,
                    folder=folder,
                    uv=replace(uv, kept_open=(*uv.kept_open, held)),
                    allow_source_builds=self._allow_source_builds,
                    subject=order.subject,
                )
        return sha256, installed

    def _known_lock(self, key: str) -> str | None:
        try:
            return self._lock_file(key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def _lock_file(self, key: str) -> Path:
        return self._root / ".locks" / f"{key}.txt"

    def _turn(self, key: str) -> Path:
        return self._root / ".turns" / key


def _build_of(
    environment: Environment, definition: Definition, fallback: str, sha256: str, installed: Installed
) -> EnvironmentBuild:
    """Give a build, with what is not as the definition asks for."""
    warnings = [*definition.notes, *([fallback] if fallback else [])]
    if environment.image:
        warnings.append(
            f"Container images are not run yet: {environment.image!r} is not used, the environment runs on this "
            f"machine's own Python {installed.python_version}."
        )
    return EnvironmentBuild(sha256, installed.python_version, installed.packages, tuple(warnings))
