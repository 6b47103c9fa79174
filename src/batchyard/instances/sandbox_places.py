"""What programs need of this machine to run at all: libraries, certificates, time zone, an interpreter's folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from batchyard.domain.sandboxes import Places

_AT_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Chosen one by one: /etc as a whole has keys and passwords, which root could read.
_OF_ETC = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
# Numeric libraries look here for cores and their caches.
_OF_SYS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_OF_AN_INTERPRETER = ("bin", "include", "lib", "lib64", "libexec", "share", "ssl")
_MOST_LINKS = 40


@cache
def system_places() -> Places:
    """Give programs and libraries of the machine, and what of /etc and /sys is no secret."""
    tops = [Path("/", name) for name in _AT_TOP]
    return Places(
        reads=("/usr",),
        may_read=(
            *(str(path) for path in tops if path.is_dir() and not path.is_symlink()),
            *(f"/etc/{name}" for name in _OF_ETC),
            *(str(path) for path in sorted(Path("/etc").glob("python3*"))),
            *_OF_SYS,
        ),
        links={str(path): os.readlink(path) for path in tops if path.is_symlink()},
    )


def interpreter_places(python: Path) -> Places:
    """Give what an interpreter needs: its environment, and the one that it was made from, wherever links lead.

    Of a base interpreter's folder only what belongs to one is given: it may be a home with other things in it.
    """
    own = python.parent.parent
    is_environment = (own / "pyvenv.cfg").is_file()
    bases = dict.fromkeys(_prefixes(python) if not is_environment else (*_base_of(own), *_prefixes(python)))
    found = [base / name for base in bases if base != own or not is_environment for name in _OF_AN_INTERPRETER]
    return Places(
        reads=(str(own),) if is_environment else (),
        may_read=tuple(str(path) for path in found if not path.is_relative_to("/usr")),
    )


def _prefixes(python: Path) -> Iterator[Path]:
    """Give the folder above the `bin` of each link on the way to the real interpreter, and of that itself."""
    hop = python
    for _ in range(_MOST_LINKS):
        yield hop.parent.parent
        if not hop.is_symlink():
            break
        hop = Path(os.path.normpath(hop.parent / os.readlink(hop)))
    yield python.resolve().parent.parent


def _base_of(environment: Path) -> Iterator[Path]:
    lines = (environment / "pyvenv.cfg").read_text("utf-8", "replace").splitlines()
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home" and value.strip():
            yield Path(value.strip()).parent
