"""The pid file: who is to be signalled, and a lock that says whether it still runs.

A number alone proves nothing: after a crash it may belong to another program. The lock is on the open file,
which a successor inherits; the kernel lets go of it when the last one who has it open has ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from pylb.errors import StartError


class PidFile:
    """The file of a running pylb.

    Args:
        path: where it is.
        inherited: its descriptor, if the pylb that is replaced has handed it over.

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
            raise StartError(f"--pid-file: cannot write {path}: {error.strerror}") from None

    def write(self) -> None:
        """Put this process's id into it."""
        line = f"{os.getpid()}\n".encode()
        os.pwrite(self.descriptor, line, 0)  # Who reads it meanwhile never finds it empty.
        os.ftruncate(self.descriptor, len(line))

    def remove(self) -> None:
        """Remove it at the end, unless a successor has taken it over."""
        with contextlib.suppress(OSError):
            if _content(self._path) == str(os.getpid()):
                self._path.unlink()


def running(path: str) -> int:
    """The process that a pid file names.

    Raises:
        StartError: there is none, or it does not run any more.
    """
    try:
        with Path(path).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(_content(path))
    except OSError as error:
        raise StartError(f"--pid-file: cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise StartError(f"--pid-file: {path} does not hold the number of a process") from None
    raise StartError(f"--pid-file: pylb does not run: nobody holds {path}")


def _lock(path: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _content(path: str | Path) -> str:
    return Path(path).read_text().strip()
