"""The routes in force as control shows them, compiled when they are read.

Rule: what has changed is compiled once, however often it has changed since the table was last read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.table import RouteTable

STEPS = 50
"""Steps between which other work of the event loop is done: some milliseconds."""


class LazyTable:
    """The table of declarations that change.

    Args:
        declarations: those in force, by service; `on_change` must be called after each change of them.
    """

    def __init__(self, declarations: Mapping[str, ServiceDeclaration]) -> None:
        self._declarations = declarations
        self._changed: dict[str, ServiceDeclaration | None] = {}
        """Services that have changed since the table was compiled, with what the table has of them."""
        self._table: RouteTable[Any] = RouteTable()
        self._next = self._table
        """The table that is being compiled, if it is another one."""
        self._steps: Iterator[None] = iter(())

    def on_change(self, service: str, before: ServiceDeclaration | None) -> None:
        """Compile the declaration of a service when the table is next read.

        Args:
            service: the name of the service.
            before: its declaration before the change.
        """
        self._changed.setdefault(service, before)

    @property
    def table(self) -> RouteTable[Any]:
        """The table of the present declarations."""
        while self._advance():
            pass
        return self._table

    async def compile(self) -> None:
        """Compile what has changed, in slices, so that `table` has nothing left to compile."""
        while self._advance():
            await asyncio.sleep(0)

    def _advance(self) -> bool:
        """Compile a slice; return whether anything may be left."""
        if self._next is self._table:
            if not self._changed:
                return False
            removed = [each for each in self._changed.values() if each is not None]
            added = [self._declarations[name] for name in self._changed if name in self._declarations]
            self._changed.clear()
            self._next, self._steps = self._table.changing(removed, added, 0)
        if sum(1 for _ in islice(self._steps, STEPS)) < STEPS:
            self._table = self._next
        return True
