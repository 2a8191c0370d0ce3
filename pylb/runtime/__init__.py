"""The base of every process: states, tasks, logging, sockets, descriptors, CPUs and memory allocation.

Rules: code here is independent of requests, backends and registries. It uses only the operating system, and
the shared counters for crashes. A background task is started only through `spawn` or `keep_running`.

Glossary:
    Lifecycle: the state of a process, from starting to stopped; it only moves forward.
    Task scope: holds background tasks and cancels them when it closes.
    Crash: an exception that ended a background task, which is then restarted and reported.
    Backoff: increasing delays between attempts after errors.
    Token bucket: a rate limit that permits a burst.
    Group: the listening sockets of one address, one per worker.
    Descriptor limit: the maximum of open files, from which the limit of client connections derives.
"""
