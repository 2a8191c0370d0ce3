"""How the world finds pylb and asks it: the admin server, and the entry in the registry."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from pylb.admin.app import AdminApp
from pylb.admin.connections import ConnectionLimits
from pylb.admin.views import View
from pylb.config import Options
from pylb.process.access import access
from pylb.process.lifecycle import Owner
from pylb.process.operator import Operator
from pylb.process.registration import Leave, registered
from pylb.process.supervision.descriptors import most_operators, raise_limit


@asynccontextmanager
async def reception(
    options: Options, view: View, operator: Operator, sockets: Sequence[socket.socket], owner: Owner
) -> AsyncIterator[Leave]:
    """Be open meanwhile.

    Args:
        options: what the user wants.
        view: what is shown.
        operator: what may be changed.
        sockets: where the admin server answers.
        owner: of the task that keeps the entry in the registry true.

    Yields:
        What removes that entry; see `registered`.
    """
    async with AsyncExitStack() as stack:
        stack.callback(operator.close)
        limits = ConnectionLimits(connections=most_operators(raise_limit()))
        app = AdminApp(view, operator, access(options), limits)
        stack.push_async_callback(app.close)
        for listening in sockets:
            await app.listen(listening)
        yield await stack.enter_async_context(registered(options, view.obstacles, owner))
