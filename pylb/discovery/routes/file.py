"""Reads a file of routes, and notices its changes.

Rules: a file is applied as a whole or not at all. While it has an error, the former declarations stay, and
the error is a problem. A file above the limit is not read. The file is compared by identity, size and time,
so that one that was replaced atomically is noticed as well.
"""

from __future__ import annotations

import os
from dataclasses import replace

from pylb.routes.declaration import Declarations, ServiceDeclaration
from pylb.routes.file import LARGEST, Check, read_file
from pylb.routes.route import Problem

Signature = tuple[int, int, int, int]


class RouteFile:
    """One file of `--routes`.

    Args:
        path: of the file.
        order: the rank of the source, and the place of this file in it.
        check: checks a setting or the backends of a service.
    """

    def __init__(self, path: str, order: tuple[int, int], check: Check) -> None:
        self.path = path
        self._order = order
        self._check = check
        self._services: tuple[ServiceDeclaration, ...] = ()
        self._signature: Signature | None = None

    def resume(self, services: tuple[ServiceDeclaration, ...]) -> None:
        """Continue with what an earlier process had read, as long as the file has an error."""
        self._services = services

    def read(self) -> Declarations:
        """Return what the file declares now, or the former declarations with the problem."""
        problem = ""
        try:
            with open(self.path, encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                self._signature = _signature(status)
                if status.st_size > LARGEST:
                    raise ValueError(f"{self.path}: {status.st_size} bytes, expected at most {LARGEST}")
                text = file.read(LARGEST + 1)  # It may grow, or have no size.
            services = read_file(text, self.path, self._check)
        except OSError as error:
            problem = f"{self.path} cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            problem = f"{self.path}: expected UTF-8"
        except ValueError as error:
            problem = str(error)
        else:
            rank, place = self._order
            self._services = tuple(replace(each, order=(rank, place)) for each in services)
        if problem:
            return Declarations(self._services, (Problem(problem, source=f"--routes {self.path}"),))
        return Declarations(self._services)

    def changed(self) -> bool:
        """Whether the file differs from what was read last, or is missing since then."""
        try:
            return self._signature != _signature(os.stat(self.path))
        except OSError:
            missing, self._signature = self._signature is not None, None
            return missing


def _signature(status: os.stat_result) -> Signature:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
