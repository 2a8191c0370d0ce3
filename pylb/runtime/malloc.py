"""Configures the C library's allocator to retain the memory of body buffers.

A body buffer is a quarter of a megabyte and lives for milliseconds. By default, glibc returns the top of the
heap to the kernel as soon as two buffers are free, and the kernel maps and clears each page again for the
next ones. This costs a tenth of the CPU time of a large body (docs/adr/malloc.md).
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
KEPT = 16 * 1024 * 1024
"""Free bytes at the top of the heap that the process retains."""
LARGE = 1024 * 1024
"""Minimum bytes of a block that is mapped separately, and returned to the kernel when it is freed."""


def keep_malloc_arenas() -> None:
    """Set both thresholds, if the C library is glibc; other libraries lack these parameters."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)
