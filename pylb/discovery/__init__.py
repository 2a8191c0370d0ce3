"""Finds the instances of each service and keeps its pool up to date.

`pipeline` defines the order of the stages; `sources/` has one file or folder for each registry, and
`probes/` the active probes. Only `pipeline` imports the other parts. The package is independent of workers
and clients: a pipeline ends at the function that delivers a `PoolState`.

Glossary:
    Provider: yields the complete snapshots of one service, from one registry (`provider`, `sources`).
    Watch: runs a provider without end, with a pause after each failure (`watch`).
    Guard: decides which removals to apply at once; the instances that it keeps are *retained* (`guard`).
    Untrusted: a snapshot that may be incomplete; it adds and changes instances but does not remove any.
    Snapshot store: the last snapshots on disk, for a start without a registry (`snapshot_store`).
    Probe: a request of pylb to an instance, which results in a verdict (`probes`).
    Overlay: the verdict of probes and the overrides of operators for one instance (`model`).
    Pool state: a snapshot with all overlays and a generation number: what workers apply (`model`).
"""
