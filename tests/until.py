"""Waiting for a state."""

import asyncio
import time


async def until(condition, seconds=5.0):
    """Return the first true value of `condition()`; fail if there is none within so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the state that was waited for did not come"
        await asyncio.sleep(0.002)
    return value
