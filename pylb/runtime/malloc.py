"""How the C library's allocator is told to keep what the pieces of bodies come and go in.

A piece of a body is a quarter of a megabyte, read and written within milliseconds. By default glibc gives the
top of the heap back to the kernel as soon as two of them are free, and has each page of the next ones mapped
and cleared again: a tenth of the CPU time of a large body (docs/adr/heap.md).
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
KEPT = 16 * 1024 * 1024
"""Bytes at the top of the heap that stay with this process when they are free."""
LARGE = 1024 * 1024
"""Bytes from which on a block is mapped for itself, and given back as soon as it is free."""


def keep_malloc_arenas() -> None:
    """Keep as much, if the C library can be told to; others than glibc have ways of their own."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)
