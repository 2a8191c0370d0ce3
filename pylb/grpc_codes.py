"""The codes with which calls of gRPC end (gRPC's statuscodes.md). This module contains constants only."""

from __future__ import annotations

from typing import Final

CANCELLED: Final = 1
UNKNOWN: Final = 2
DEADLINE_EXCEEDED: Final = 4
NOT_FOUND: Final = 5
PERMISSION_DENIED: Final = 7
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14
DATA_LOSS: Final = 15
UNAUTHENTICATED: Final = 16

NAMES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The names of all codes, by number."""

FAILURES: Final = frozenset([UNKNOWN, INTERNAL, UNAVAILABLE, DATA_LOSS])
"""Codes that count as failures of a backend, as a status of 500 does. The caller causes the others."""

CONDITIONS: Final = {
    code: "grpc-" + NAMES[code].lower().replace("_", "-")
    for code in (CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE)
}
"""The conditions for retries that codes meet, by code (Envoy: `x-envoy-retry-grpc-on`)."""
