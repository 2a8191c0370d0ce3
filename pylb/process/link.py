"""A worker's side of the channel: it follows control, whichever control there is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson

from pylb.process.channel import Channel
from pylb.process.rendezvous import Greeting, meet
from pylb.process.update import Update

AGAIN = 0.1
"""Seconds until a worker that lost control, or found the mailbox full, leaves another end there."""


async def follow(door: socket.socket, greeting: Greeting, apply: Callable[[Update], object]) -> None:
    """Apply every update that control sends, and say so; when control is gone, wait for the next one.

    Args:
        door: the workers' end of the mailbox.
        greeting: who this worker is.
        apply: takes updates.
    """

    def receive(channel: Channel, message: dict[str, Any]) -> None:
        update = Update.from_dict(message)
        apply(update)
        applied = {"service": update.service, "generation": update.generation}
        channel.post(update.service, orjson.dumps(applied))

    door.setblocking(False)
    while True:
        try:
            end = meet(door, greeting)
        except BlockingIOError:
            await asyncio.sleep(AGAIN)
            continue
        gone = asyncio.Event()
        channel = await Channel.open(end, receive, gone.set)
        try:
            await gone.wait()
        finally:
            channel.close()
        await asyncio.sleep(AGAIN)
