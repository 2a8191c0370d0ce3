"""The embedded registry: for demonstrations, development and tests, in the place of a Consul.

    registry = DevRegistry()
    address = await registry.start()        # "127.0.0.1:34567": for curl, py-consul, pylb --consul
    ...
    await registry.stop()

A write arrives in `agent_api`, is checked by `definitions`, kept by `agent`, whose `checks` run, and shown to
everybody by `catalog`; readers ask through `catalog_api`, and wait for changes in `blocking`.
"""

from pylb.registry.embedded.server import DevRegistry

__all__ = ["DevRegistry"]
