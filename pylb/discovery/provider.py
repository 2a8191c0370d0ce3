"""What every source of endpoints is: one method that yields whole snapshots."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from pylb.model import Snapshot


class Provider(Protocol):
    """A source of endpoints for one service; `discovery.watch.Watch` drives it."""

    def watch(self) -> AsyncGenerator[Snapshot, None]:
        """Yield everything that is known of the service now, and again after each answer of the source.

        - A snapshot without endpoints means: known to be empty.
        - An exception means: unknown. The watch keeps what it has and calls `watch()` again after a while.
        - `Snapshot.untrusted_reason` means: what is missing may exist all the same.

        Equal snapshots may be yielded; they prove that the source is alive. Generation numbers are not its
        business. It never ends by itself.
        """
        ...
