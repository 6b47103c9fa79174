"""What a parallel step scores with, and how (azure-batch A.10): the keys of a parallel component and of its steps."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator

from batchyard.domain.deployments import LoggingLevel
from batchyard.domain.errors import Mistake, merged
from batchyard.domain.pipelines.definitions import (
    ParallelSettings,
    ParallelTask,
    parallel_settings_mistakes,
)
from batchyard.domain.pipelines.tabular import TabularFormat
from batchyard.wire.mistakes import shown
from batchyard.wire.pipelines.pinned_references import pinned
from batchyard.wire.pipelines.ports import output_named
from batchyard.wire.shapes import Seconds, Text, WholeNumber, YamlShape, one_of, read_shape

_SIZE = re.compile(r"([0-9]{1,12})(?:([km])b)?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
_SIZES = "a number of files such as 10, or a size such as 100kb or 2mb"


class _RetryYaml(YamlShape):
    max_retries: WholeNumber | None = None
    timeout: Seconds | None = None


class ParallelYaml(YamlShape):
    """The keys that a parallel component and a parallel step have in common."""

    # Read below: a mapping, an expression, a number or a size, a list.
    task: object = None
    input_data: object = None
    mini_batch_size: object = None
    partition_keys: object = None
    input_format: Annotated[TabularFormat, BeforeValidator(one_of(TabularFormat))] | None = None
    logging_level: Annotated[LoggingLevel, BeforeValidator(one_of(LoggingLevel))] | None = None
    error_threshold: WholeNumber | None = None
    mini_batch_error_threshold: WholeNumber | None = None
    max_concurrency_per_instance: WholeNumber | None = None
    retry_settings: _RetryYaml | None = None
    append_row_file_name: Text | None = None


class _TaskYaml(YamlShape):
    type: Text | None = None
    code: Text | None = None
    entry_script: Text | None = None
    environment: object = None
    program_arguments: Text | None = None
    append_row_to: Text | None = None


def settings_of(shape: ParallelYaml, found: list[Mistake], *, prefix: str = "") -> ParallelSettings:
    """Read how a parallel step cuts and scores; None for what is not said. prefix: of its fields."""
    items, size_bytes = _size(shape.mini_batch_size, f"{prefix}mini_batch_size", found)
    retry = shape.retry_settings or _RetryYaml()
    settings = ParallelSettings(
        mini_batch_size=items,
        mini_batch_bytes=size_bytes,
        partition_keys=_keys(shape.partition_keys, f"{prefix}partition_keys", found),
        input_format=shape.input_format,
        error_threshold=shape.error_threshold,
        mini_batch_error_threshold=shape.mini_batch_error_threshold,
        max_concurrency_per_instance=shape.max_concurrency_per_instance,
        max_retries=retry.max_retries,
        timeout_s=retry.timeout,
        logging_level=shape.logging_level,
        append_row_file_name=shape.append_row_file_name,
    )
    found[:] = merged(found, parallel_settings_mistakes(settings, prefix=prefix))
    return settings


def task_of(document: object, found: list[Mistake], *, prefix: str = "") -> ParallelTask:
    """Read `task`. prefix: of its fields, before `task`."""
    where = f"{prefix}task"
    shape, mistakes = read_shape(_TaskYaml, document if document is not None else {}, prefix=f"{where}.")
    mine: list[Mistake] = list(mistakes)
    if shape.type != "run_function":
        mine.append(Mistake(f"{where}.type", shown(shape.type), "run_function"))
    script = posixpath.normpath(shape.entry_script or "")
    if not shape.entry_script or script.startswith(("/", "..")) or script == ".":
        allowed = "the path of the script, relative to task.code"
        mine.append(Mistake(f"{where}.entry_script", shown(shape.entry_script), allowed))
    target = shape.append_row_to
    task = ParallelTask(
        code=pinned(shape.code, "codes", f"{where}.code", mine),
        entry_script=script,
        environment=pinned(shape.environment, "environments", f"{where}.environment", mine),
        program_arguments=shape.program_arguments or "",
        append_row_to=output_named(target, field=f"{where}.append_row_to", found=mine) if target else None,
    )
    found += mine
    return task


def _size(value: object, field: str, found: list[Mistake]) -> tuple[int | None, int | None]:
    """Read a number of items, or a size in bytes."""
    if value is None:
        return None, None
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        found.append(Mistake(field, shown(value), _SIZES))
        return None, None
    number = int(match[1]) * _UNITS[(match[2] or "").lower()]
    return (None, number) if match[2] else (number, None)


def _keys(value: object, field: str, found: list[Mistake]) -> tuple[str, ...] | None:
    # Azure: its clients send the list as JSON text.
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]
    if value is None:
        return None
    if isinstance(value, Sequence) and value and all(isinstance(key, str) and key for key in value):
        return tuple(value)
    found.append(Mistake(field, shown(value), "a list of column names"))
    return None
