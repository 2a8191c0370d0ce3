"""The control process: it finds the instances, and sends the states of all pools to the workers.

Rules: no request waits for this process. When it dies, the workers continue with their last states, and the
next control process continues from the state file.

Glossary:
    Control: the pipelines of all services, with probes, overrides and history (`control`).
    Override: a change by an operator, until it expires or is revoked (`override_store`).
    Recorder: writes the history of changes, and samples the traffic (`recorder`).
    Aggregate: the last state of each pool, and rows with the figures of all workers (`aggregate`).
    Admin endpoint: the admin server and pylb's own entry in the registry (`admin_endpoint`, `registration`).
    Take over: to continue the overrides and the history of the pylb that is replaced (`takeover`).
    Plane: all of these except the admin endpoint, and what connects them (`plane`).
    Remember, resume: to write and to read what the next control process needs.
"""
