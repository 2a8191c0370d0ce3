"""The sources of instances: one file or folder for each registry, each with a `Provider`.

A provider depends on its registry and on `status`, and on no stage of the pipeline. It validates each value
from the registry before anything uses it; an invalid instance is excluded, and the others are used.

Glossary:
    Provider: yields the snapshots of one service (`discovery.provider`).
    Instance: an entry of a registry; it becomes an `Endpoint`, or is excluded with the reason.
    Settings: the `lb_*` values in the metadata of an instance (`settings`).
    Feed: the connections to one registry that the providers of all services share (`consul.feed`).
"""
