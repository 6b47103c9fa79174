"""The made-up environment of a build: package index, proxy and certificate settings of the operator, nothing else."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from batchyard.environments.masking import mask

# What decides which packages are found: a change of these asks the index again.
_CHOICE = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_EXCLUDE_NEWER",
    "UV_TORCH_BACKEND",
)
# How the index is reached.
_REACH = (
    "UV_OFFLINE",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_INSECURE_HOST",
    "UV_HTTP_TIMEOUT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)
# uv's credentials of an index that has a name.
_INDEX_CREDENTIAL = re.compile(r"UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)")


def pip_config_files(environ: Mapping[str, str]) -> list[Path]:
    """Name pip's configuration files, the strongest last, as pip documents them."""
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return []
    home = environ.get("HOME", "")
    files = [Path("/etc/pip.conf")]
    if home:
        files += [Path(home) / ".pip/pip.conf"]
        files += [Path(environ.get("XDG_CONFIG_HOME") or Path(home) / ".config") / "pip/pip.conf"]
    return [*files, Path(chosen)] if chosen else files


def index_variables(environ: Mapping[str, str], *, pip_configs: Sequence[Path]) -> dict[str, str]:
    """Give the variables that tell uv where packages are, in uv's words.

    pip's own words are used where uv's are missing: PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS,
    PIP_TRUSTED_HOST, PIP_CERT, and `global.index-url` of its configuration. The configuration's extra-index-url is
    not: uv asks an extra index first and takes every name it has from there alone, pip asks all of them, so the same
    line would hide versions of the main index that pip finds.
    """
    passed = (name for name in environ if name in _CHOICE or name in _REACH or _INDEX_CREDENTIAL.fullmatch(name))
    variables = {name: environ[name] for name in passed if environ[name]}
    if "UV_INDEX_URL" not in variables:
        index = environ.get("PIP_INDEX_URL") or _configured_index(pip_configs)
        _fill(variables, "UV_DEFAULT_INDEX", index)
    if "UV_INDEX" not in variables:
        _fill(variables, "UV_EXTRA_INDEX_URL", environ.get("PIP_EXTRA_INDEX_URL", ""))
    _fill(variables, "UV_FIND_LINKS", _find_links(environ.get("PIP_FIND_LINKS", "")))
    _fill(variables, "UV_INSECURE_HOST", environ.get("PIP_TRUSTED_HOST", ""))
    _fill(variables, "SSL_CERT_FILE", environ.get("PIP_CERT", ""))
    return variables


def child_environment(index: Mapping[str, str], *, home: Path, cache: Path) -> dict[str, str]:
    """Give the whole environment of a uv child. home: an empty folder of this build. cache: uv's package cache."""
    return {
        **index,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "UV_CACHE_DIR": str(cache),
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        # The default of 60 s a file is short on a loaded machine; the build's own time limit is the one that counts.
        "UV_COMPILE_BYTECODE_TIMEOUT": "600",
    }


def index_identity(index: Mapping[str, str]) -> str:
    """Give a hash of where packages come from, the same whoever's credentials are used to get them."""
    chosen = "\n".join(f"{name}={mask(index[name])}" for name in sorted(_CHOICE) if name in index)
    return hashlib.sha256(chosen.encode()).hexdigest()


def _fill(variables: dict[str, str], name: str, value: str) -> None:
    if value and name not in variables:
        variables[name] = value


def _find_links(places: str) -> str:
    """Turn pip's spaces into uv's commas; a missing folder is left out as pip does, where uv would stop."""
    return ",".join(place for place in places.split() if "://" in place or os.path.isdir(place))


def _configured_index(files: Sequence[Path]) -> str:
    index = ""
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue  # pip itself would name the broken file; packages can still be found without it.
        index = parser.get("global", "index-url", fallback="").strip() or index
    return index
