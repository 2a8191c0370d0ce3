"""Several coroutines that succeed or fail together.

`asyncio.TaskGroup` does the same, but before Python 3.13 it loses a cancellation of its caller if a task of
the group fails in the same moment (CPython gh-116720). A caller that survives errors would then go on for
ever, and the process could not end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any


async def run_all(work: Mapping[str, Coroutine[Any, Any, object]]) -> None:
    """Run coroutines until all have ended; if one fails, or the caller is cancelled, cancel the others.

    Args:
        work: the coroutines, by the names of their tasks.

    Raises:
        Exception: the first error.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(coroutine, name=name) for name, coroutine in work.items()]
    try:
        if tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
