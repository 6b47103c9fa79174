"""The owner's token and signed URLs."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from azure.storage.blob._shared.shared_access_signature import QueryStringConstants

from batchyard.domain.errors import PlatformError, Unauthenticated
from batchyard.identity.tokens import HomeIdentity

NOW = 1_700_000_000.0


def signed(home: Path, path: str = "/blob/code-1/folder", permission: str = "r") -> tuple[HomeIdentity, str]:
    identity = HomeIdentity(home)
    return identity, identity.sign_url(path, expires_at=NOW + 60, permission=permission, is_folder=True)


def test_the_token_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    HomeIdentity(tmp_path)
    first = (tmp_path / "token").read_text()
    HomeIdentity(tmp_path)

    assert (tmp_path / "token").read_text() == first
    assert len(first) >= 43
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "url.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "access-tokens.key",
        "identity-header",
        "token",
        "url.key",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_the_token_gives_the_owner(tmp_path: Path) -> None:
    identity = HomeIdentity(tmp_path)
    caller = identity.authenticate((tmp_path / "token").read_text(), now=NOW)

    assert caller.is_owner
    assert caller.roles == {"Owner"}
    assert caller.name


@pytest.mark.parametrize("token", ["", "wrong", "ü", "\udc80"])
def test_any_other_token_is_refused(tmp_path: Path, token: str) -> None:
    with pytest.raises(Unauthenticated):
        HomeIdentity(tmp_path).authenticate(token, now=NOW)


def test_a_token_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    HomeIdentity(tmp_path)
    (tmp_path / "token").chmod(0o644)

    with pytest.raises(PlatformError, match="delete it"):
        HomeIdentity(tmp_path)


def test_an_empty_token_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o600)

    with pytest.raises(PlatformError, match="empty"):
        HomeIdentity(tmp_path)


@pytest.mark.parametrize("path", ["/blob/code-1/folder", "blob/code-1/folder/", "/blob/code-1/folder/sub/a b.txt"])
def test_a_signed_url_opens_its_path_and_what_is_below(tmp_path: Path, path: str) -> None:
    identity, query = signed(tmp_path)

    identity.check_url(path, query, now=NOW, permission="r")


@pytest.mark.parametrize("path", ["/blob/code-1", "/blob/code-1/folder2", "/blob/code-1/folder/../x", "", "/"])
def test_a_signed_url_opens_nothing_else(tmp_path: Path, path: str) -> None:
    identity, query = signed(tmp_path)

    with pytest.raises(Unauthenticated):
        identity.check_url(path, query, now=NOW, permission="r")


def test_a_signed_url_ends_with_its_time(tmp_path: Path) -> None:
    identity, query = signed(tmp_path)

    with pytest.raises(Unauthenticated):
        identity.check_url("/blob/code-1/folder", query, now=NOW + 60, permission="r")


def test_a_read_url_does_not_write_and_a_write_url_reads(tmp_path: Path) -> None:
    identity, read = signed(tmp_path)
    _, write = signed(tmp_path, permission="w")

    identity.check_url("/blob/code-1/folder", write, now=NOW, permission="w")
    identity.check_url("/blob/code-1/folder", write, now=NOW, permission="r")
    with pytest.raises(Unauthenticated):
        identity.check_url("/blob/code-1/folder", read, now=NOW, permission="w")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sp=r", "sp=w"),
        ("sp=r", "sp=rw"),
        ("sdd=3", "sdd=2"),
        ("sdd=3", "sdd=0"),
        ("se=1", "se=2"),
        ("sr=d", "sr=b"),
        ("si=", "si=0"),
    ],
)
def test_a_changed_signed_url_is_refused(tmp_path: Path, before: str, after: str) -> None:
    identity, query = signed(tmp_path)
    assert before in query

    with pytest.raises(Unauthenticated):
        identity.check_url("/blob/code-1/folder", query.replace(before, after), now=NOW, permission="r")


@pytest.mark.parametrize("query", ["", "sig=", "sp=r&se=99999999999&sdd=1&sig=00", "sp=r&se=x&sdd=-1&sig=00", "sdd=²"])
def test_a_made_up_query_is_refused(tmp_path: Path, query: str) -> None:
    with pytest.raises(Unauthenticated):
        HomeIdentity(tmp_path).check_url("/blob", query, now=NOW, permission="r")


def test_a_signed_url_of_a_blob_opens_exactly_that(tmp_path: Path) -> None:
    identity = HomeIdentity(tmp_path)
    query = identity.sign_url("/c/blob", expires_at=NOW + 60, permission="r")

    identity.check_url("/c/blob", query, now=NOW, permission="r")
    for other in ("/c/blob/below", "/c", "/c/blob2", "/d/blob"):
        with pytest.raises(Unauthenticated):
            identity.check_url(other, query, now=NOW, permission="r")


def test_what_a_retiring_key_signed_is_good_until_the_key_is_deleted(tmp_path: Path) -> None:
    _, old = signed(tmp_path)
    (tmp_path / "url.key").rename(tmp_path / "url.key.retiring")
    both, new = signed(tmp_path)
    (tmp_path / "url.key.retiring").unlink()
    after = HomeIdentity(tmp_path)

    assert old != new
    both.check_url("/blob/code-1/folder", old, now=NOW, permission="r")
    both.check_url("/blob/code-1/folder", new, now=NOW, permission="r")
    after.check_url("/blob/code-1/folder", new, now=NOW, permission="r")
    with pytest.raises(Unauthenticated):
        after.check_url("/blob/code-1/folder", old, now=NOW, permission="r")


def test_a_retiring_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    HomeIdentity(tmp_path)
    (tmp_path / "url.key").rename(tmp_path / "url.key.retiring")
    (tmp_path / "url.key.retiring").chmod(0o644)

    with pytest.raises(PlatformError, match="read by others"):
        HomeIdentity(tmp_path)


def test_a_signed_url_has_only_names_that_the_storage_sdk_keeps(tmp_path: Path) -> None:
    _, query = signed(tmp_path)
    known = set(QueryStringConstants.to_list())

    assert set(parse_qs(query)) <= known


def test_signed_urls_of_another_home_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, query = signed(tmp_path / "a")

    with pytest.raises(Unauthenticated):
        HomeIdentity(tmp_path / "b").check_url("/blob/code-1/folder", query, now=NOW, permission="r")
