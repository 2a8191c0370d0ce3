"""`pylb serve`: checks the options, opens the listening sockets and runs the supervisor."""

from __future__ import annotations

from pylb.assembly.routes import check_routes
from pylb.assembly.tls import read_certificates
from pylb.config import Options
from pylb.config.backends import BackendConnections
from pylb.discovery.snapshot_store import SnapshotStore
from pylb.ipc.supervisor_pipe import SupervisorPipe
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.runtime.cpus import usable_cpus
from pylb.runtime.descriptors import log_shortage
from pylb.runtime.logs import log_to_stderr
from pylb.supervisor.handover import Handover, Predecessor
from pylb.supervisor.listeners import Listeners
from pylb.supervisor.pidfile import PidFile
from pylb.supervisor.supervisor import Supervisor


def run(options: Options) -> int:
    """Serve until a signal ends pylb; return the exit code.

    Raises:
        UsageError: options contradict each other.
        StartError: an address cannot be bound, a file cannot be used, or another pylb has the pid file.
    """
    log_to_stderr(options.log_level)
    check_routes(options)
    read_certificates(options)
    UpstreamTls(BackendConnections.of(options)).check_files()
    if options.state_dir:
        SnapshotStore(options.state_dir)  # Report an unusable directory before anything starts.
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
        pid_file.write()  # A successor writes its id when it serves.
    log_shortage(options.max_connections)
    return Supervisor(options, listeners, predecessor, pid_file).run()
