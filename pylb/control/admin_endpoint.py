"""The admin server, and pylb's own entry in the registry."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from pylb.admin.app import AdminApp
from pylb.admin.connections import ConnectionLimits
from pylb.admin.views import View
from pylb.assembly.admin_access import access
from pylb.config import Options
from pylb.control.override_store import OverrideStore
from pylb.control.registration import Leave, registered
from pylb.runtime.descriptors import most_operators, raise_limit
from pylb.runtime.lifecycle import TaskScope


@asynccontextmanager
async def admin_endpoint(
    options: Options,
    view: View,
    override_store: OverrideStore,
    sockets: Sequence[socket.socket],
    scope: TaskScope,
) -> AsyncIterator[Leave]:
    """Serve inside the context.

    Args:
        options: the options of pylb.
        view: the data to read.
        override_store: applies changes by operators.
        sockets: the listening sockets of the admin server.
        scope: holds the task that updates the entry in the registry.

    Yields:
        The function that removes that entry; see `registered`.
    """
    async with AsyncExitStack() as stack:
        stack.callback(override_store.close)
        limits = ConnectionLimits(connections=most_operators(raise_limit()))
        app = AdminApp(view, override_store, access(options), limits)
        stack.push_async_callback(app.close)
        for listening in sockets:
            await app.listen(listening)
        yield await stack.enter_async_context(registered(options, view.obstacles, scope))
