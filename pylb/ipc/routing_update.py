"""A change of the routes, from control to the workers. A worker applies all of it at once.

The first update on a connection is complete: it has all declarations. Each later one has the difference from
what the worker has received. Control keeps the encoded declaration of each service, so that an update is put
together without encoding anything again.

A new control process sends everything once more. Therefore a declaration is a text within the message, and a
worker decodes only texts that differ from those that it has applied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.plain import declaration_of, to_plain

ROUTING = "/routing"
"""The kind of the message. Workers acknowledge it under this name, which no service can have."""


@dataclass(frozen=True, slots=True)
class RoutingUpdate:
    """Declarations that are new, changed or removed."""

    generation: int
    """Increases with each change of the routes."""
    changed: Mapping[str, ServiceDeclaration | None]
    """By service; None removes the service."""
    complete: bool = False
    """Whether all services that it does not name are removed as well."""
    unchanged: Collection[str] = frozenset()
    """Further services that it names: the worker has applied their declarations already."""

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        encoded = {name: encode_declaration(each) if each else None for name, each in self.changed.items()}
        return encode_update(self.generation, encoded, complete=self.complete)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RoutingUpdate:
        """Decode a parsed JSON object."""
        changed = data["changed"].items()
        declarations = {name: each and declaration_of(each) for name, each in changed}
        return cls(data["generation"], declarations, data["complete"])


def encode_declaration(declaration: ServiceDeclaration) -> bytes:
    """Encode a declaration as JSON."""
    return orjson.dumps(to_plain(declaration))


def encode_update(generation: int, changed: Mapping[str, bytes | None], *, complete: bool) -> bytes:
    """Encode an update as JSON.

    Args:
        generation: of the routes.
        changed: by service, what `encode_declaration` returns; None removes the service.
        complete: whether all other services are removed as well.
    """
    encoded = {name: None if each is None else orjson.Fragment(each) for name, each in changed.items()}
    return orjson.dumps({"generation": generation, "changed": encoded, "complete": complete})


def encode_message(generation: int, changed: Mapping[str, bytes | None], *, complete: bool) -> bytes:
    """Encode an update for `RoutingReader`; the arguments are those of `encode_update`."""
    texts = {name: None if each is None else each.decode() for name, each in changed.items()}
    return orjson.dumps({"generation": generation, "changed": texts, "complete": complete})


Apply = Callable[[RoutingUpdate], Iterator[None] | None]


class RoutingReader:
    """Decodes the updates that a worker receives.

    Args:
        apply: returns the steps in which an update is applied; None if it is applied already.
    """

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._applied: dict[str, str] = {}
        """The text of the declaration of each service."""

    def read(self, message: Mapping[str, Any]) -> Iterator[None]:
        """Decode a message, one declaration in each step, and apply it."""
        texts: Mapping[str, str | None] = message["changed"]
        changed: dict[str, ServiceDeclaration | None] = {}
        for name, text in texts.items():
            if text is None:
                changed[name] = None
            elif text != self._applied.get(name):
                changed[name] = declaration_of(orjson.loads(text))
                yield
        unchanged = texts.keys() - changed.keys()
        update = RoutingUpdate(message["generation"], changed, message["complete"], unchanged)
        yield from self._apply(update) or ()
        if message["complete"]:
            self._applied.clear()
        for name, text in texts.items():
            if text is None:
                self._applied.pop(name, None)
            else:
                self._applied[name] = text
