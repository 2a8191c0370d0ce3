"""Writers of a registry: the registrator, pylb's own registration, and the embedded registry.

Rules: what should be registered and what must change are pure functions of what Docker and Consul report; one
loop calls them and writes. An entry carries a mark of its owner, and only entries with that mark are removed.
Nothing here imports the data plane, or discovery, which reads registries.

Registration: one entry that the registrator writes: a service, its checks, its owner and a digest.
Owner: the mark of a registration; the id of the Docker engine, which outlives every registrator.
Desired: all registrations that follow from the containers of an engine, and the problems found on the way.
Owned: an entry of the agent that carries the registrator's mark.
Actions: the registrations to write and to remove that make the agent equal to `Desired`.
Rules: the options of the registrator that decide names, addresses and checks.
Place: the address and port at which a container's port is registered.
Report: a status and an output for a TTL check.
Problem: a setting of a container that cannot be used; it is reported and skipped, the rest is registered.
Failure: a call to the engine or the agent that fails; it is retried and logged once.
Self-registration: pylb's own entry in Consul, whose check follows `/ready`.
Embedded registry: a Consul agent in one process, for tests and development (`embedded/`).
"""
