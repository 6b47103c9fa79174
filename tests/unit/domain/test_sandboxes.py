"""The command line of a sandbox: nothing is there unless it is named, and nothing named is hidden by another mount."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.sandboxes import Places, sandbox_arguments

P = PurePosixPath
_NAMES = st.sampled_from(["usr", "home", "me", "data", "jobs", "j1", "tmp"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=5).map(lambda names: str(P("/", *names)))
_SETS = st.lists(_PATHS, max_size=6).map(tuple)
_MOUNTS = {"--proc": 1, "--dev": 1, "--tmpfs": 1, "--symlink": 2, "--ro-bind": 2, "--ro-bind-try": 2, "--bind": 2}


def arguments(places: Places, *, has_network: bool = False) -> list[str]:
    return sandbox_arguments(
        places, folder="/work", environment={"LD_PRELOAD": "/evil.so"}, has_network=has_network, told_fd=7
    )


def mounts(given: list[str]) -> list[tuple[str, str]]:
    """Give kind and place of each mount, in order."""
    found = []
    for at, word in enumerate(given):
        if word in _MOUNTS:
            found.append((word, given[at + _MOUNTS[word]]))
    return found


def test_a_command_gets_its_own_namespaces_no_capability_and_no_network() -> None:
    words = arguments(Places())
    assert {"--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc", "--unshare-net"} <= set(words)
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert "--die-with-parent" in words
    assert words[words.index("--info-fd") + 1] == "7"
    assert words[-2:] == ["--chdir", "/work"]


def test_the_commands_environment_is_told_and_nothing_is_inherited() -> None:
    words = arguments(Places())
    at = words.index("--clearenv")
    assert words[at + 1 : at + 4] == ["--setenv", "LD_PRELOAD", "/evil.so"]


def test_the_network_is_shared_where_it_is_allowed() -> None:
    assert "--unshare-net" not in arguments(Places(), has_network=True)


def test_what_is_read_cannot_be_written_and_what_is_missing_may_be_passed_over() -> None:
    found = mounts(arguments(Places(reads=("/in",), writes=("/out",), may_read=("/etc/hosts",))))
    assert ("--ro-bind", "/in") in found
    assert ("--bind", "/out") in found
    assert ("--ro-bind-try", "/etc/hosts") in found


def test_settings_of_the_kernel_are_read_only_after_proc_is_there() -> None:
    found = mounts(arguments(Places()))
    assert found.index(("--ro-bind", "/proc/sys")) > found.index(("--proc", "/proc"))


def test_a_masked_folder_is_empty_where_a_place_above_it_is_listed() -> None:
    words = arguments(Places(reads=("/data",), writes=("/data/home/jobs/j",), masked=("/data/home",)))
    found = mounts(words)
    assert found.index(("--ro-bind", "/data")) < found.index(("--tmpfs", "/data/home"))
    assert found.index(("--tmpfs", "/data/home")) < found.index(("--bind", "/data/home/jobs/j"))
    assert [words[at + 1] for at, word in enumerate(words) if word == "--remount-ro"] == ["/data/home", "/"]


def test_a_masked_folder_that_is_not_seen_anyway_needs_no_mask() -> None:
    assert ("--tmpfs", "/home/ada") not in mounts(arguments(Places(reads=("/data",), masked=("/home/ada",))))


def test_a_place_that_is_read_and_written_is_written() -> None:
    found = mounts(arguments(Places(reads=("/a",), writes=("/a",))))
    assert [kind for kind, path in found if path == "/a"] == ["--bind"]


@given(reads=_SETS, writes=_SETS, masked=_SETS)
def test_no_mount_hides_another_and_the_deepest_says_what_may_be_written(
    reads: tuple[str, ...], writes: tuple[str, ...], masked: tuple[str, ...]
) -> None:
    found = mounts(arguments(Places(reads=reads, writes=writes, masked=masked)))
    paths = [path for _, path in found]
    assert len(paths) == len(set(paths))
    for at, path in enumerate(paths):
        assert not [later for later in paths[at + 1 :] if P(later) in P(path).parents]
    kinds = dict(reversed([(path, kind) for kind, path in found]))
    assert all(kinds[path] == "--bind" for path in writes)
    assert all(kinds[path] == "--ro-bind" for path in reads if path not in writes)
