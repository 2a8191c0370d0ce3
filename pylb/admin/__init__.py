"""The admin port: health, readiness, metrics, the API and the dashboard.

It reads pools, watches and counters through a `View`, and changes them only through an `OverrideStore`. It
does not import the data plane or discovery.

- View: what the admin port can read of one process.
- OverrideStore: creates and revokes overrides; implemented by `control.override_store`.
- Override: a change by an operator, until it expires or is revoked.
- Problem: a condition that needs attention, with its severity.
- State: the rows that the dashboard, `pylb top` and the API show.
- Stream: a response of server-sent events, which stays open.
"""
