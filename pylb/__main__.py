"""`python -m pylb` runs the command `pylb`."""

import signal
import sys


def main() -> int:
    """Run the command line, see `pylb.cli.main`."""
    # Until all modules are loaded, Ctrl-C ends the process by the signal: without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pylb.cli import main as do  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return do()


if __name__ == "__main__":
    sys.exit(main())
