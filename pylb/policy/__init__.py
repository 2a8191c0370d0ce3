"""Decisions: which pool, which backend, whether to retry. No I/O and no clock; `now` is an argument.

Glossary:
    Pool: the backends of one service; the only place where discovery and requests meet.
    Backend: the live state of one instance in one worker.
    Eligible: may be picked: of weight above 0 and not excluded.
    Lease: one attempt's claim on a backend, and the result of the attempt.
    Balancer: a policy built for the eligible backends (`policy.balance`).
    Suspect: excluded briefly after a refused or broken connection.
    Ejected: excluded after consecutive failures, or as an outlier.
    Half-open: after an exclusion; one trial request at a time until one succeeds.
    QueuedRequest: a request in the queue, waiting for a backend with capacity.
    Row: the values of a pool or a backend at one moment, for everything that shows them (`rows`).
    Override: an operator's decision, applied to a snapshot before the pool receives it.
"""
