"""The embedded registry: one Consul agent in memory, for tests, development and the demo.

    registry = DevRegistry()
    address = await registry.start()        # "127.0.0.1:34567": for curl, py-consul, pylb --consul
    ...
    await registry.stop()

`pylb registry` runs it as a process. It implements the part of Consul 1.8's HTTP API that clients of a
service catalog use, with Consul's statuses and messages; `tests/contract` compares it with a real Consul. It
has one node, no cluster, no ACLs and no persistence, and it imports no other part of pylb.

A write passes `agent_api`, `definitions` (validation), `agent` and `catalog`; a read passes `catalog_api`
and waits in `blocking`.

Agent: the services and checks registered with this node, with the runners of the checks.
Catalog: services, checks and the node as clients read them, each row with the indexes of its writes.
Definition: a service or check as a client registers it.
Check: the health of a service or of the node; its runner sets the status.
Runner: a TTL timer, or a probe that repeats an HTTP request or a TCP connection.
Maintenance: a critical check that an operator adds to a service or to the node.
Index: the number of a write; each answer carries that of the last write which could have changed it.
Blocking query: a read that waits until the index of its answer passes the index in the request.
View: the JSON form of a row.
Literal: a number, boolean or duration in the notation of Go.
"""

from pylb.registry.embedded.server import DevRegistry

__all__ = ["DevRegistry"]
