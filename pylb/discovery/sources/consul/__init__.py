"""Instances from Consul, over a bounded number of connections.

Glossary:
    Blocking query: a request that Consul answers when the queried data changes, or after a wait.
    Index: the number that Consul returns with the data; the next blocking query waits for a greater one.
    Feed: owns the connections to one agent; a `Subscription` is one service's part of it (`feed`).
    Changes: finds the services that differ between two listings of the catalog (`changes`).
    Health: the translation of a response to endpoints (`health`); `parse_cache` avoids parsing entries twice.
    Visibility: which registered instances ACLs hide from the token (`visibility`).
"""
