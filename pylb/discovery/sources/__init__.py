"""Where instances come from: one file or folder for each registry, each with a `Provider`.

A provider knows its registry and nothing else of discovery but `status`. A value from a registry is validated
here, before anything uses it; an instance that cannot be understood is excluded alone.

Glossary:
    Provider: yields the snapshots of one service (`discovery.provider`).
    Instance: an entry of a registry; it becomes an `Endpoint`, or is excluded with the reason.
    Settings: the `lb_*` values in the metadata of an instance (`settings`).
    Feed: the connections to one registry that the providers of all services share (`consul.feed`).
"""
