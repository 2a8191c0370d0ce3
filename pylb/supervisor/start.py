"""`pylb`: from the options to the processes that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name

from pylb.assembly.pools import read_routes
from pylb.assembly.tls import read_certificates
from pylb.config import Options
from pylb.config.backends import BackendConnections
from pylb.discovery.snapshot_store import SnapshotStore
from pylb.ipc.supervisor_pipe import SupervisorPipe
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.runtime.cpus import usable_cpus
from pylb.runtime.descriptors import tell_shortage
from pylb.runtime.logs import log_to_stderr
from pylb.supervisor.handover import Handover, Predecessor
from pylb.supervisor.listeners import Listeners
from pylb.supervisor.pidfile import PidFile


def run(options: Options) -> int:
    """Serve until told to stop: in this process alone, or with a supervisor, control and workers.

    Raises:
        UsageError: the options contradict each other.
        StartError: an address cannot be bound, a file cannot be used, or pylb runs already.
    """
    log_to_stderr(options.log_level)
    read_routes(options)
    read_certificates(options)
    UpstreamTls(BackendConnections.of(options))
    if options.state_dir:
        SnapshotStore(options.state_dir)  # What cannot be used is refused before anything is started.
    workers = options.workers or usable_cpus()
    given = Handover.take()
    pid_file = PidFile(options.pid_file, given.pid_file) if options.pid_file else None
    listeners = Listeners(
        listen=options.listen,
        listen_tls=options.listen_tls,
        admin=options.admin,
        workers=workers,
        given=given,
    )
    predecessor = (
        Predecessor(SupervisorPipe(given.supervisor_pipe), given.state) if given.supervisor_pipe else None
    )
    if pid_file and not predecessor:
        pid_file.write()  # A successor puts its own id there when it serves.
    tell_shortage(options.max_connections, admin=workers == 1)
    # A supervisor is to stay small: it does not even import what serves.
    serve: Callable[..., int] = resolve_name(
        "pylb.balancer:serve" if workers == 1 else "pylb.supervisor.supervisor:supervise"
    )
    return serve(options, listeners, predecessor, pid_file)
