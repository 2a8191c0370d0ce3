"""Containers as an engine's inspect call shows them."""

from pylb.containers.container import Container

ID = "9fe56e55f54b55585d40fc9042f43fb6276e403495f1616c9d71c2f17d0ac72f"


def inspected(name="web-1", **said):
    """What `docker inspect` would print, reduced to what is read.

    Args: id, image, env (a dict), labels, exposed (port keys), published (port key -> [(ip, port)]),
    networks (name -> address), mode, running, paused, status, exit_code, health, output, stop_signal,
    created, started.
    """
    exposed = said.get("exposed", ["80/tcp"])
    published = said.get("published", {})
    running = said.get("running", True)
    status = said.get("status", "running" if running else "exited")
    state = {"Status": status, "Running": running, "ExitCode": said.get("exit_code", 0)}
    state["StartedAt"] = said.get("started", "2026-01-01T00:00:01Z")
    state["Paused"] = said.get("paused", False)
    if said.get("health"):
        state["Health"] = {"Status": said["health"], "Log": [{"Output": said.get("output", "")}]}
    mode = said.get("mode", "default")
    ports = {} if mode == "host" else dict.fromkeys(exposed)
    for key, bindings in published.items():
        ports[key] = [{"HostIp": ip, "HostPort": str(port)} for ip, port in bindings]
    return {
        "Id": said.get("id", f"{sum(map(ord, name)):04x}".ljust(64, "0")),
        "Name": f"/{name}",
        "Created": said.get("created", "2026-01-01T00:00:00Z"),
        "State": state,
        "HostConfig": {"NetworkMode": mode},
        "Config": {
            "Image": said.get("image", "shop/web:1.2"),
            "Env": [f"{k}={v}" for k, v in said.get("env", {}).items()],
            "Labels": said.get("labels", {}),
            "ExposedPorts": {key: {} for key in exposed},
            "StopSignal": said.get("stop_signal"),
        },
        "NetworkSettings": {
            "Ports": ports,
            "Networks": {
                n: {"IPAddress": a} for n, a in said.get("networks", {"bridge": "172.17.0.2"}).items()
            },
        },
    }


def container(name="web-1", **said):
    """The same, read."""
    return Container.from_inspect(inspected(name, **said))
