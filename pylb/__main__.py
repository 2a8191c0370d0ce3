"""`python -m pylb` is the same as `pylb`."""

import signal
import sys


def main() -> int:
    """Do what the arguments say, see `pylb.cli.main`."""
    # Ctrl-C ends a program that is still being loaded, as it ends any other one: without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pylb.cli import main as do  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return do()


if __name__ == "__main__":
    sys.exit(main())
