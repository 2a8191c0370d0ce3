"""The static and the dynamic table of HPACK (RFC 7541 §2.3)."""

from __future__ import annotations

from collections import deque

Field = tuple[bytes, bytes]
"""Name and value."""

STATIC: tuple[Field, ...] = (
    (b"", b""),  # Index 0 is not used.
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
)
"""The static table by index (RFC 7541 appendix A)."""

FIRST_DYNAMIC = len(STATIC)
"""The index of the newest entry of the dynamic table."""

ENTRY_OVERHEAD = 32
"""Bytes that an entry counts in addition to its name and value (RFC 7541 §4.1)."""

DEFAULT_SIZE = 4096
"""Bytes. The size of the dynamic table until SETTINGS change it (RFC 9113 §6.5.2)."""


class DynamicTable:
    """The fields that a peer has added, within a maximum total size (RFC 7541 §4)."""

    __slots__ = ("_size", "changes", "entries", "max_size")

    def __init__(self) -> None:
        self.entries: deque[Field] = deque()
        """The newest entry is the first."""
        self.max_size = DEFAULT_SIZE
        self.changes = 0
        """Number of changes. While it is the same, the same header block means the same fields."""
        self._size = 0

    def insert(self, entry: Field) -> None:
        """Add an entry, and remove old ones until it fits. One that is too large empties the table (§4.4)."""
        size = len(entry[0]) + len(entry[1]) + ENTRY_OVERHEAD
        if size > self.max_size and not self.entries:
            return
        self.changes += 1
        self._size += size
        self.entries.appendleft(entry)
        self._evict()

    def resize(self, max_size: int) -> None:
        """Change the maximum size, and remove old entries until the others fit."""
        if max_size != self.max_size:
            self.changes += 1
            self.max_size = max_size
            self._evict()

    def _evict(self) -> None:
        while self._size > self.max_size:
            name, value = self.entries.pop()
            self._size -= len(name) + len(value) + ENTRY_OVERHEAD
