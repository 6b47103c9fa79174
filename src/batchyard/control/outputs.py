"""What an output needs on this server, whoever asks for it. No verb of its own."""

from __future__ import annotations

from batchyard.domain.deployments import ExecutionSettings, OutputAction, OutputFormat, output_format_of
from batchyard.domain.errors import Mistake
from batchyard.ports.tables import Tables


def format_mistakes(settings: ExecutionSettings, tables: Tables, *, prefix: str = "settings.") -> list[Mistake]:
    """Name a format that cannot be written here, with what to do. prefix: as in `settings_mistakes`."""
    if settings.output_action is not OutputAction.APPEND_ROW or output_format_of(settings) is not OutputFormat.PARQUET:
        return []
    missing = tables.mistake()
    allowed = "a format that this server can write"
    return [] if missing is None else [Mistake(f"{prefix}output_format", "'parquet'", allowed, missing)]
