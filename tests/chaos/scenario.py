"""A scenario: a function that breaks something under load, checks the promise, and says what was counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.environment import Environment
from tests.chaos.load import Load

Scenario = Callable[[Path], Awaitable["Row"]]
SCENARIOS: dict[str, Scenario] = {}


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    event: str
    promise: str
    sent: int
    failed: str
    retried: int
    gap: float
    """Seconds."""


def scenario(run: Scenario) -> Scenario:
    SCENARIOS[run.__name__] = run
    return run


async def row(environment: Environment, load: Load, event: str, promise: str) -> Row:
    get, post = load.failed("GET"), load.failed("POST")
    retried = int(await environment.metric("pylb_upstream_retries_total", service="web"))
    return Row(event, promise, load.sent, f"{get} GET, {post} POST", retried, load.gap)


async def is_state(environment: Environment, state: str, number: int) -> bool:
    return await environment.state(state) == number


async def is_held(environment: Environment, number: int) -> bool:
    web = (await environment.ready())["services"]["web"]
    return web["retained"] == number and not web["error"]
