"""The pid file: the process to signal, and a lock that it holds while it runs.

The number alone is not sufficient: after a crash it may belong to another program. The lock is on the open
file, which a successor inherits; the kernel releases it when the last process that has it open ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path

from pylb.errors import StartError

LONGEST = 32
"""Bytes of a pid file that are read."""
NO_FILE = "expected a regular file, or none yet"


class PidFile:
    """The file of a running pylb.

    Args:
        path: its path.
        inherited: its descriptor, if it comes from the pylb that this one replaces.

    Raises:
        StartError: it cannot be written, or another pylb holds it.
    """

    def __init__(self, path: str, inherited: int | None = None) -> None:
        self._path = Path(path)
        try:
            self.descriptor = _lock(path) if inherited is None else inherited
        except BlockingIOError:
            raise StartError(f"--pid-file: {path}: pylb runs already, as process {_content(path)}") from None
        except OSError as error:
            raise StartError(f"--pid-file: cannot write {path}: {_reason(error)}") from None

    def write(self) -> None:
        """Write the id of this process."""
        line = f"{os.getpid()}\n".encode()
        os.pwrite(self.descriptor, line, 0)  # A concurrent reader never reads an empty file.
        os.ftruncate(self.descriptor, len(line))

    def remove(self) -> bool:
        """Remove it at the end, unless a successor has replaced it; return whether it was removed."""
        with contextlib.suppress(OSError):
            same = os.path.samestat(os.fstat(self.descriptor), os.lstat(self._path))
            if same and os.pread(self.descriptor, LONGEST, 0).strip() == str(os.getpid()).encode():
                self._path.unlink()
                return True
        return False


def running(path: str) -> int:
    """Return the process id in a pid file.

    Raises:
        StartError: there is no pid file, or its process does not run.
    """
    try:
        descriptor = _open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, LONGEST, 0))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StartError(f"--pid-file: cannot read {path}: {_reason(error)}") from None
    except ValueError:
        raise StartError(f"--pid-file: {path} does not hold the number of a process") from None
    raise StartError(f"--pid-file: pylb does not run: no process holds {path}")


def _lock(path: str) -> int:
    descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _open(path: str, flags: int) -> int:
    """Open the file without following links: in a shared directory, a link could name any file."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NO_FILE)
    return descriptor


def _reason(error: OSError) -> str | None:
    return NO_FILE if error.errno == errno.ELOOP else error.strerror


def _content(path: str) -> str:
    descriptor = _open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, LONGEST, 0).decode(errors="replace").strip()
    finally:
        os.close(descriptor)
