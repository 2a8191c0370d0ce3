"""Processes that a test has started, and their descendants."""

from __future__ import annotations

from pathlib import Path


def parent(pid: int) -> int:
    """Return the parent's process id. It follows the command's name, which may contain any character."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descendants(pid: int) -> set[int]:
    """Return the ids of all descendants."""
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
    """Return the running processes among these; zombies do not count."""
    running = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            running.add(pid)
    return running
