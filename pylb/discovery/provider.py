"""The interface of every source of instances: one method that yields whole snapshots."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from pylb.model import Snapshot


class Provider(Protocol):
    """A source of the instances of one service; `discovery.watch.Watch` runs it."""

    def watch(self) -> AsyncGenerator[Snapshot, None]:
        """Yield everything that is known of the service now, and again after each response of the source.

        - A snapshot without endpoints means: known to be empty.
        - An exception means: unknown. The pool stays as it is, and `watch()` is called again after a pause.
        - `Snapshot.untrusted_reason` means: instances may be missing from the snapshot.

        Equal snapshots may be yielded; they prove that the source responds. A provider does not number
        snapshots, and never ends by itself.
        """
        ...
