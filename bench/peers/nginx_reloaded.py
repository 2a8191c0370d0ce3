"""nginx, whose list of servers `consul watch` renders anew at each change, and which is then reloaded.

Run as `python nginx_reloaded.py NGINX CONFIGURATION CONSUL-PROGRAM CONSUL-ADDRESS SERVICE`. `consul watch`
runs it with `--render` as its handler; it renders within some 30 ms, most of which Python takes to start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

NOBODY = "server 127.0.0.1:9 down;\n"
"""nginx refuses an upstream without servers."""


def render(instances: list[dict[str, dict[str, object]]], config: Path) -> None:
    """Write the list of servers beside the configuration."""
    services = [each["Service"] for each in instances]
    servers = "".join(f"server {service['Address']}:{service['Port']};\n" for service in services)
    (config.parent / "servers.conf").write_text(servers or NOBODY)


def main(nginx: str, config: str, consul: str, address: str, service: str, *mode: str) -> None:
    """Be the handler, or start nginx and become `consul watch`."""
    run = [nginx, "-p", str(Path(config).parent), "-c", config]
    if mode:
        render(json.load(sys.stdin), Path(config))
        subprocess.run([*run, "-s", "reload"], check=True)
        return
    render([], Path(config))
    subprocess.Popen(run)
    again = [sys.executable, "-I", "-S", *sys.argv, "--render"]
    watch = [
        consul,
        "watch",
        f"-http-addr={address}",
        "-type=service",
        f"-service={service}",
        "-passingonly=true",
    ]
    os.execv(consul, [*watch, *again])


if __name__ == "__main__":
    main(*sys.argv[1:])
