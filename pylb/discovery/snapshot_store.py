"""The last snapshot of each service on disk, used when no registry responds at the start.

A file has one line with a magic word and the checksum of the rest, and then a snapshot as JSON. It is
replaced as a whole, without `fsync`: after a power failure an incomplete file is rejected by its checksum.
The file's modification time is the time at which the registry last confirmed the snapshot.
"""

from __future__ import annotations

import logging
import os
import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, unquote

import orjson

from pylb.errors import StartError
from pylb.model import Snapshot

log = logging.getLogger("pylb.discovery")

MAGIC = b"pylb snapshot 2"
SUFFIX = ".snapshot"


class SnapshotStore:
    """A directory with one file per service.

    A file that cannot be read or written costs one log line and nothing else.

    Args:
        directory: created if it does not exist.

    Raises:
        StartError: it cannot be created or written to.
    """

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self._problem = ""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"--state-dir: cannot create {directory}: {error.strerror}") from None
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise StartError(f"--state-dir: {directory} cannot be written to")

    def path(self, service: str) -> Path:
        """The file of a service's snapshot."""
        return self.directory / f"{quote(service, safe='')}{SUFFIX}"

    def services(self) -> list[str]:
        """Return the names of all services with a file, in order."""
        try:
            files = os.listdir(self.directory)
        except OSError as error:
            self._report(f"{self.directory} cannot be read: {error.strerror}")
            return []
        return sorted(unquote(each.removesuffix(SUFFIX)) for each in files if each.endswith(SUFFIX))

    def save(self, snapshot: Snapshot) -> None:
        """Replace the snapshot of a service."""
        path = self.path(snapshot.service)
        body = orjson.dumps(snapshot)
        new = path.with_suffix(f".new-{os.getpid()}")
        try:
            new.write_bytes(b"%b %b\n%b" % (MAGIC, sha256(body).hexdigest().encode(), body))
            new.replace(path)
        except OSError as error:
            self._report(f"{path} cannot be written: {error.strerror}")
            new.unlink(missing_ok=True)
        else:
            self._problem = ""

    def confirm(self, service: str) -> None:
        """Record that the registry has just confirmed the snapshot."""
        try:
            os.utime(self.path(service))
        except OSError as error:
            log.debug("%s: %s", self.path(service), error)

    def load(self, service: str) -> tuple[Snapshot, float] | None:
        """Return the snapshot of a service and the seconds since it was confirmed; None if there is none."""
        path = self.path(service)
        try:
            content = path.read_bytes()
            age = max(0.0, time.time() - path.stat().st_mtime)
            snapshot = read(content, service)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._report(f"{path} is ignored: {error}")
            return None
        return (snapshot, age) if snapshot.endpoints else None

    def _report(self, problem: str) -> None:
        """Log a problem once."""
        if problem != self._problem:
            log.warning("%s", problem)
        self._problem = problem


def read(content: bytes, service: str) -> Snapshot:
    """Decode the content of a file.

    Raises:
        ValueError: pylb did not write it for this service.
    """
    title, _, body = content.partition(b"\n")
    magic, _, checksum = title.rpartition(b" ")
    if magic != MAGIC:
        raise ValueError(f"expected a first line that begins with {MAGIC.decode()!r}")
    if checksum != sha256(body).hexdigest().encode():
        raise ValueError("the checksum does not match")
    try:
        snapshot = Snapshot.from_dict(orjson.loads(body))
    except (KeyError, TypeError) as error:
        raise ValueError(f"another version of pylb wrote it ({error!r})") from None
    if snapshot.service != service:
        raise ValueError(f"expected service {service!r}, got {snapshot.service!r}")
    return snapshot
