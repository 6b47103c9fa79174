"""What code of users sees of a machine when it runs in a sandbox, and the command line of bubblewrap that says so.

Nothing is there unless it is named: what is not listed cannot be reached by any path, link or child. Pure: whether a
path exists, and whether bubblewrap works here, is looked at by `instances`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

PROGRAM = "bwrap"
# Its own namespaces of everything; none of user namespaces can be made in it, which is the way into most of the kernel.
_ISOLATION = (
    "--unshare-user",
    "--disable-userns",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--cap-drop",
    "ALL",
)
# What root may write to in /proc without any capability: with /proc/sys/kernel/core_pattern alone, a crash would run a
# program of the sandbox's choice outside of it.
_KERNEL_SETTINGS = ("/proc/sys",)
_KERNEL_SWITCHES = tuple(f"/proc/{name}" for name in ("acpi", "fs", "mtrr", "pressure", "scsi", "sysrq-trigger"))


@dataclass(frozen=True, slots=True)
class Places:
    """What is there, each under the path it has outside: absolute, without `..`. Of two places one of which is in the
    other both count.

    reads, writes: files and folders that must exist; who writes a folder reads it. may_read: passed over where missing.
    links: symbolic links, path -> target. masked: existing folders that are empty where a place above them is listed.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    may_read: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    masked: tuple[str, ...] = ()

    def with_more(self, other: Places) -> Places:
        """Give both together."""
        return Places(
            reads=(*self.reads, *other.reads),
            writes=(*self.writes, *other.writes),
            may_read=(*self.may_read, *other.may_read),
            links={**self.links, **other.links},
            masked=(*self.masked, *other.masked),
        )


def sandbox_arguments(
    places: Places, *, folder: str, environment: Mapping[str, str], has_network: bool, told_fd: int
) -> list[str]:
    """Give the arguments of bubblewrap, behind which `--` and the command follow.

    folder: where the command starts. environment: the command's, which bubblewrap itself must not be started with: it
    runs outside, and LD_PRELOAD is a variable like others. told_fd: bubblewrap tells its child's number on it.
    """
    return [
        *_ISOLATION,
        *([] if has_network else ["--unshare-net"]),
        "--info-fd",
        str(told_fd),
        "--clearenv",
        *(word for name, value in environment.items() for word in ("--setenv", name, value)),
        *(word for mount in _mounts(places) for word in mount),
        "--chdir",
        folder,
    ]


def _mounts(places: Places) -> Iterator[tuple[str, ...]]:
    """Give the mounts, those above before those below, so that none hides another; what is left over is read-only."""
    masked = _below_others(places)
    found: dict[str, tuple[str, ...]] = {
        "/proc": ("--proc", "/proc"),
        "/dev": ("--dev", "/dev"),
        "/tmp": ("--tmpfs", "/tmp"),
        **{path: ("--ro-bind", path, path) for path in _KERNEL_SETTINGS},
        **{path: ("--ro-bind-try", path, path) for path in _KERNEL_SWITCHES},
        **{path: ("--tmpfs", path) for path in masked},
        **{path: ("--symlink", target, path) for path, target in places.links.items()},
        **{path: ("--ro-bind-try", path, path) for path in places.may_read},
        **{path: ("--ro-bind", path, path) for path in places.reads},
        **{path: ("--bind", path, path) for path in places.writes},
    }
    yield from (found[path] for path in sorted(found, key=lambda path: path.split("/")))
    yield from (("--remount-ro", path) for path in (*masked, "/"))


def _below_others(places: Places) -> list[str]:
    """Give the masked folders that would be seen without a mask, unless they are listed themselves."""
    listed = {*places.reads, *places.writes, *places.may_read}
    # Its own /tmp hides what is in there, and would let it be made anew: nothing of value, but nobody would be told.
    seen = {*listed, "/tmp"}
    return [path for path in dict.fromkeys(places.masked) if path not in seen and any(_above(path, seen))]


def _above(path: str, others: Iterable[str]) -> Iterator[str]:
    return (other for other in others if path.startswith(f"{other.rstrip('/')}/"))
