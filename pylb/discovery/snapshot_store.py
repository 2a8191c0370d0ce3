"""The last good snapshot of each service, kept on disk: what to go by when no registry answers at the start.

A file has one line that says what it is and the checksum of the rest, and a snapshot as JSON. It is replaced
as a whole; there is no `fsync`, as after a loss of power a file that is not whole is refused like any other.
When the registry last confirmed what is in it is the file's time of modification.
"""

from __future__ import annotations

import logging
import os
import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import orjson

from pylb.errors import StartError
from pylb.model import Snapshot

log = logging.getLogger("pylb.discovery")

MAGIC = b"pylb snapshot 1"


class Memory:
    """A directory with one file per service.

    Trouble with a file costs one line in the log and nothing else: the registry is what counts.

    Args:
        directory: made if it is not there.

    Raises:
        StartError: it cannot be made or written to.
    """

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self._trouble = ""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"--state-dir: cannot make {directory}: {error.strerror}") from None
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise StartError(f"--state-dir: {directory} cannot be written to")

    def path(self, service: str) -> Path:
        """Where a service's snapshot is."""
        return self.directory / f"{quote(service, safe='')}.snapshot"

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of the last one."""
        path = self.path(snapshot.service)
        body = orjson.dumps(snapshot)
        new = path.with_suffix(f".new-{os.getpid()}")
        try:
            new.write_bytes(b"%b %b\n%b" % (MAGIC, sha256(body).hexdigest().encode(), body))
            new.replace(path)
        except OSError as error:
            self._tell(f"{path} cannot be written: {error.strerror}")
            new.unlink(missing_ok=True)
        else:
            self._trouble = ""

    def confirm(self, service: str) -> None:
        """The registry has just said the same again."""
        try:
            os.utime(self.path(service))
        except OSError as error:
            log.debug("%s: %s", self.path(service), error)

    def load(self, service: str) -> tuple[Snapshot, float] | None:
        """What is kept of a service, and how many seconds ago it was confirmed; None if there is nothing."""
        path = self.path(service)
        try:
            content = path.read_bytes()
            age = max(0.0, time.time() - path.stat().st_mtime)
            snapshot = read(content, service)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._tell(f"{path} is ignored: {error}")
            return None
        return (snapshot, age) if snapshot.endpoints else None

    def _tell(self, words: str) -> None:
        """Log what is wrong, once."""
        if words != self._trouble:
            log.warning("%s", words)
        self._trouble = words


def read(content: bytes, service: str) -> Snapshot:
    """Read a file's content.

    Raises:
        ValueError: it is not what pylb wrote for this service.
    """
    title, _, body = content.partition(b"\n")
    magic, _, checksum = title.rpartition(b" ")
    if magic != MAGIC:
        raise ValueError(f"expected a first line that begins with {MAGIC.decode()!r}")
    if checksum != sha256(body).hexdigest().encode():
        raise ValueError("its checksum is wrong")
    try:
        snapshot = Snapshot.from_dict(orjson.loads(body))
    except (KeyError, TypeError) as error:
        raise ValueError(f"another version of pylb wrote it ({error!r})") from None
    if snapshot.service != service:
        raise ValueError(f"expected service {service!r}, got {snapshot.service!r}")
    return snapshot
