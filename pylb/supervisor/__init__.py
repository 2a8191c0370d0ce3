"""The supervisor: starts, reaps and replaces processes, and runs reload and upgrade.

Rules: the supervisor has no event loop, no HTTP and no discovery. It never exits because a child has failed,
except at the start, and it never closes a listening socket that a worker uses.

Glossary:
    Child: one process that the supervisor has started (`child`).
    Slot: the place of one process; it is refilled when its child ends (`slot`).
    Generation: the workers that run the same code and options; a reload starts the next one.
    Procedure: a reload, an upgrade or a stop: a generator of conditions to wait for (`procedures`).
    Preflight: a process that checks the current code and options before a reload (`preflight`).
    Successor, predecessor: in an upgrade, the pylb that replaces another one, and the latter (`handover`).
    Outcome: the result of a procedure, in a file for the command that waits for it (`outcome`).
    Fixed option: an option that an upgrade can change, but a reload cannot (`fixed_options`).
    Watchdog: detects hung children by their heartbeats (`watchdog`).
"""
