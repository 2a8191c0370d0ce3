"""A small disk that can be filled; it takes root."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path


class Tmpfs:
    """A file system in memory; leave it with `with` and it is gone."""

    def __init__(self, path: Path, size: str) -> None:
        self.path = path
        self._size = size

    def __enter__(self) -> Tmpfs:
        self.path.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs", str(self.path)],
            check=True,
            capture_output=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=True, capture_output=True)

    def fill(self) -> None:
        """Leave no room for anything."""
        with (self.path / "ballast").open("wb", buffering=0) as ballast:
            for size in (4096, 1):
                with suppress(OSError):  # ENOSPC
                    while True:
                        ballast.write(bytes(size))
