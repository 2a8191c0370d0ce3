"""A certificate for the proxies that are measured with TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.lib.packages import AptPackage

OPENSSL = AptPackage("openssl", "openssl")


def make_certificate(directory: Path) -> Path:
    """Write a new P-256 certificate for `localhost` and its key into one file.

    Raises:
        MissingError: openssl is not installed.
    """
    pair = directory / "pair.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=localhost"
    made = subprocess.run(
        [str(OPENSSL.locate()), *command.split(), "-keyout", "-"], check=True, capture_output=True
    )
    pair.write_bytes(made.stdout)
    pair.chmod(0o600)
    return pair
