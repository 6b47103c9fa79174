"""The XML of List Blobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from batchyard.ports.datastore import Datastore, Entry

# What XML 1.0 cannot hold, not even escaped; surrogates stand for bytes that are not UTF-8.
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class BlobQuery:
    """What to list. delimiter: "" lists everything below; marker: the name to go on with, "" from the start."""

    prefix: str
    delimiter: str
    marker: str
    limit: int


@dataclass(frozen=True, slots=True)
class BlobPage:
    """One page. items: a file, or the text of a folder prefix. next_marker: "" on the last page."""

    items: tuple[Entry | str, ...]
    next_marker: str


def list_page(store: Datastore, query: BlobQuery) -> BlobPage:
    """Give a page of the datastore; each page costs the same, however many came before it."""
    if query.delimiter == "/":
        return take_page(store.level(query.prefix, start=query.marker), query)
    return take_page(store.list(query.prefix, start=query.marker), query)


def take_page(found: Iterable[Entry | str], query: BlobQuery) -> BlobPage:
    """Cut a page out of sorted files and folders; files below a delimiter become one prefix."""
    items: list[Entry | str] = []
    for item in _grouped(found, query):
        if _sort_key(item) < query.marker.encode(errors="surrogateescape"):
            continue
        if len(items) == query.limit:
            return BlobPage(tuple(items), item if isinstance(item, str) else item.path)
        items.append(item)
    return BlobPage(tuple(items), "")


def page_to_xml(
    page: BlobPage, query: BlobQuery, *, container: str, notes: Callable[[Entry], Mapping[str, str]] | None = None
) -> bytes:
    """Give the answer of List Blobs. notes: gives those on a blob, where they are asked for."""
    head = "".join(
        f"<{name}>{_text(value)}</{name}>"
        for name, value in (("Prefix", query.prefix), ("Marker", query.marker), ("Delimiter", query.delimiter))
        if value
    )
    blobs = "".join(_item(item, notes) for item in page.items)
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName={quoteattr(container)}>{head}'
        f"<MaxResults>{query.limit}</MaxResults><Blobs>{blobs}</Blobs>"
        f"<NextMarker>{_text(quote(page.next_marker.encode(errors='surrogateescape')))}</NextMarker></EnumerationResults>"
    )
    return text.encode()


def _grouped(found: Iterable[Entry | str], query: BlobQuery) -> Iterator[Entry | str]:
    last = ""
    for entry in found:
        if isinstance(entry, str):
            yield entry
            continue
        rest = entry.path[len(query.prefix) :]
        head, delimiter, _ = rest.partition(query.delimiter) if query.delimiter else (rest, "", "")
        if not delimiter:
            yield entry
            continue
        folder = query.prefix + head + delimiter
        if folder != last:
            last = folder
            yield folder


def _sort_key(item: Entry | str) -> bytes:
    return (item if isinstance(item, str) else item.path).encode(errors="surrogateescape")


def _item(item: Entry | str, notes: Callable[[Entry], Mapping[str, str]] | None) -> str:
    if isinstance(item, str):
        return f"<BlobPrefix>{_name(item)}</BlobPrefix>"
    properties = (
        f"<Last-Modified>{formatdate(item.modified_at, usegmt=True)}</Last-Modified><Etag>{_text(item.etag)}</Etag>"
        f"<Content-Length>{item.size_bytes}</Content-Length><Content-Type>application/octet-stream</Content-Type>"
        "<BlobType>BlockBlob</BlobType>"
    )
    noted = "" if notes is None else "".join(f"<{k}>{_text(v)}</{k}>" for k, v in sorted(notes(item).items()))
    metadata = f"<Metadata>{noted}</Metadata>" if noted else ""
    return f"<Blob>{_name(item.path)}<Properties>{properties}</Properties>{metadata}</Blob>"


def _name(name: str) -> str:
    if _NOT_IN_XML.search(name) or "\r" in name:
        # Azure: names that XML cannot hold are percent-encoded, and said to be.
        return f'<Name Encoded="true">{quote(name.encode(errors="surrogateescape"))}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _text(text: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", text))
