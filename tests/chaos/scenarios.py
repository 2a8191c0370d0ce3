"""All scenarios, in the order of the table."""

from tests.chaos import backends, machine, registry  # noqa: F401  # each adds its own
from tests.chaos.scenario import SCENARIOS, Row

__all__ = ["SCENARIOS", "Row"]
