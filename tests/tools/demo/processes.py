"""Processes that a test has started, and those that they have started in turn."""

from __future__ import annotations

from pathlib import Path


def parent(pid: int) -> int:
    """The parent's process id, from the fields after the command's name, which may hold anything."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descendants(pid: int) -> set[int]:
    """Children, their children, and so on."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if parent(int(entry.name)) == pid:
                    found |= {int(entry.name)} | descendants(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; one that has ended and waits for its parent to notice does not."""
    running = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            running.add(pid)
    return running
