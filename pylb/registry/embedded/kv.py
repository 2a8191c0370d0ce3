"""The key/value store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pylb.registry.embedded.blocking import Answer, Changes


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, what is stored under it, and the writes that made it."""

    key: str
    value: bytes
    flags: int
    """A number for the use of the client."""
    create_index: int
    modify_index: int


class KeyValues:
    """Keys in a flat name space; slashes have no meaning."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._entries: dict[str, Entry] = {}
        self._deleted: dict[str, int] = {}
        """Index at which each removed key was deleted, so that a list without it has a greater index."""
        self._index = 0

    def get(self, key: str) -> Answer[Entry | None]:
        """Return an entry; the index of a missing key advances with every write to the store."""
        entry = self._entries.get(key)
        if entry is None:
            return Answer(max(self._index, 1), None, watches_index=True)
        return Answer(entry.modify_index, entry)

    def under(self, prefix: str) -> Answer[list[Entry]]:
        """Return the entries whose key starts with `prefix`, sorted by key."""
        entries = sorted((e for e in self._entries.values() if e.key.startswith(prefix)), key=_by_bytes)
        if not entries:
            return Answer(max(self._index, 1), [], watches_index=True)
        deletions = (index for key, index in self._deleted.items() if key.startswith(prefix))
        return Answer(max(*(e.modify_index for e in entries), 0, *deletions), entries)

    def put(self, key: str, value: bytes, flags: int, expected: int | None) -> bool:
        """Store a value.

        Args:
            key: the key.
            value: any bytes.
            flags: a number for the use of the client.
            expected: write only if this is the modify index of the key; 0: only if the key does not exist;
                None: always.

        Returns:
            Whether the key has this value now.
        """
        entry = self._entries.get(key)
        if expected is not None and expected != (entry.modify_index if entry else 0):
            return False
        if entry and (entry.value, entry.flags) == (value, flags):
            return True
        self._index = self._changes.advance()
        created = entry.create_index if entry else self._index
        self._entries[key] = Entry(key, value, flags, created, self._index)
        return True

    def delete(self, key: str, expected: int | None) -> bool:
        """Remove a key if its modify index is `expected`, or if that is None; return whether it is gone."""
        entry = self._entries.get(key)
        if expected is not None and entry is not None and expected != entry.modify_index:
            return False
        if entry is not None:
            self._remove([key])
        return True

    def delete_tree(self, prefix: str) -> None:
        """Remove the keys that start with `prefix`."""
        if doomed := [key for key in self._entries if key.startswith(prefix)]:
            self._remove(doomed)

    def _remove(self, keys: list[str]) -> None:
        self._index = self._changes.advance()
        for key in keys:
            del self._entries[key]
            self._deleted[key] = self._index


def branches(entries: Iterable[Entry], prefix: str, separator: str) -> list[str]:
    """Return the distinct keys, each cut after the first `separator` beyond `prefix`."""
    keys: dict[str, None] = {}
    for entry in entries:
        end = entry.key.find(separator, len(prefix)) if separator else -1
        keys[entry.key if end < 0 else entry.key[: end + len(separator)]] = None
    return list(keys)


def _by_bytes(entry: Entry) -> bytes:
    return entry.key.encode()
