"""A change of the routes, from control to the workers. A worker applies all of it at once.

The first update on a connection is complete: it has all declarations. Each later one has the difference from
what the worker has received. Control keeps the encoded declaration of each service, so that an update is put
together without encoding anything again.
"""

from __future__ import annotations

from collections.abc import Mapping
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
