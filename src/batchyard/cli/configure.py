"""`batchyard configure`: defaults of the command line, kept in `cli.ini` of the home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any  # knack calls with untyped values

from batchyard.cli.failures import CommandFailed
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from configparser import ConfigParser

    from batchyard.cli.rest import Server

COMMANDS = (Command("configure", "configure"),)

FILE_NAME = "cli.ini"
KEYS = ("group", "workspace", "subscription", "location", "output", "only_show_errors")
_CORE = ("output", "only_show_errors")
OUTPUTS = ("json", "jsonc", "yaml", "yamlc", "table", "tsv", "none")
_ABSENT = object()


def configure(
    server: Server,
    *,
    defaults: list[list[str]] | None = None,
    list_defaults: bool = False,
) -> dict[str, str] | list[dict[str, str]]:
    """Keep defaults such as group=local workspace=default output=table; an empty value forgets one. Shows them all."""
    from batchyard.cli.failures import UsageMistake

    kept = Defaults(config_dir=str(server.settings.home))
    split = [text.partition("=") for many in defaults or [] for text in many]
    pairs = [(key, value) for key, _, value in split]
    bad = [key for key, _ in pairs if key not in KEYS]
    if bad:
        raise UsageMistake(f"Unknown default {', '.join(map(repr, bad))}; known: {', '.join(KEYS)}.")
    output = dict(pairs).get("output")
    if output and output not in OUTPUTS:
        raise UsageMistake(f"output is {output!r}, must be one of {', '.join(OUTPUTS)}.")
    if pairs:
        kept.keep(dict(pairs))
    return _rows(kept) if list_defaults else kept.all()


def _rows(kept: Defaults) -> list[dict[str, str]]:
    """Give the defaults as `az configure --list-defaults` does, those of the scope that nobody has set among them."""
    from batchyard.domain.resource_ids import DEFAULT_SCOPE

    born = {
        "group": DEFAULT_SCOPE.resource_group,
        "workspace": DEFAULT_SCOPE.workspace,
        "subscription": DEFAULT_SCOPE.subscription,
    }
    found = kept.all()
    in_file = [{"name": name, "source": kept.config_path, "value": value} for name, value in found.items()]
    rest = [{"name": name, "source": "batchyard", "value": value} for name, value in born.items() if name not in found]
    return in_file + rest


class Defaults:
    """The part of knack's configuration that is used here: reading makes no folder, writing makes the home 0700."""

    defaults_section_name = "defaults"
    use_local_config = False

    def __init__(self, config_dir: str, config_env_var_prefix: str = "") -> None:  # noqa: ARG002  # knack gives it
        self.config_dir = config_dir
        self.config_path = str(Path(config_dir) / FILE_NAME)
        self._parsed: ConfigParser | None = None

    def get(self, section: str, option: str, fallback: Any = _ABSENT) -> Any:
        """Give one value as text, or the fallback. Raises: KeyError without one."""
        parsed = self._read()
        if parsed is not None and parsed.has_option(section, option):
            return parsed.get(section, option)
        if fallback is _ABSENT:
            raise KeyError(f"{section}.{option}")
        return fallback

    def getboolean(self, section: str, option: str, fallback: Any = _ABSENT) -> bool:
        """Give one value as a claim."""
        return str(self.get(section, option, fallback)).lower() in ("1", "yes", "true", "on")

    def set_to_use_local_config(self, _: bool) -> None:
        """knack asks; a project folder never changes what a command does here."""

    def all(self) -> dict[str, str]:
        """Give every default that is kept."""
        found = {key: self.get("core" if key in _CORE else "defaults", key, "") for key in KEYS}
        return {key: value for key, value in found.items() if value}

    def keep(self, values: dict[str, str]) -> None:
        """Write these defaults beside those kept before; an empty value forgets one."""
        from configparser import ConfigParser

        parsed = self._read() or ConfigParser()
        for key, value in values.items():
            section = "core" if key in _CORE else "defaults"
            if not parsed.has_section(section):
                parsed.add_section(section)
            if value:
                parsed.set(section, key, value.replace("%", "%%"))
            else:
                parsed.remove_option(section, key)
        Path(self.config_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.config_path + ".new"
        with open(fresh, "w", encoding="utf-8") as file:
            parsed.write(file)
        os.replace(fresh, self.config_path)
        self._parsed = parsed

    def _read(self) -> ConfigParser | None:
        if self._parsed is None and os.path.exists(self.config_path):
            from configparser import ConfigParser, Error

            parsed = ConfigParser()
            try:
                parsed.read(self.config_path, encoding="utf-8")
            except (Error, UnicodeDecodeError) as exc:
                why = type(exc).__name__
                raise CommandFailed(
                    f"The file of defaults {self.config_path!r} cannot be read ({why}). Correct or delete it."
                ) from exc
            self._parsed = parsed
        return self._parsed
