"""Containers as an engine's inspect call shows them."""

from pylb.containers.container import Container

ID = "9fe56e55f54b55585d40fc9042f43fb6276e403495f1616c9d71c2f17d0ac72f"


def inspected(name="web-1", **settings):
    """What `docker inspect` would print, reduced to what is read.

    Args: id, image, env (a dict), labels, exposed (port keys), published (port key -> [(ip, port)]),
    networks (name -> address), mode, running, paused, status, exit_code, health, output, stop_signal,
    created, started.
    """
    exposed = settings.get("exposed", ["80/tcp"])
    published = settings.get("published", {})
    running = settings.get("running", True)
    status = settings.get("status", "running" if running else "exited")
    state = {"Status": status, "Running": running, "ExitCode": settings.get("exit_code", 0)}
    state["StartedAt"] = settings.get("started", "2026-01-01T00:00:01Z")
    state["Paused"] = settings.get("paused", False)
    if settings.get("health"):
        state["Health"] = {"Status": settings["health"], "Log": [{"Output": settings.get("output", "")}]}
    mode = settings.get("mode", "default")
    ports = {} if mode == "host" else dict.fromkeys(exposed)
    for key, bindings in published.items():
        ports[key] = [{"HostIp": ip, "HostPort": str(port)} for ip, port in bindings]
    return {
        "Id": settings.get("id", f"{sum(map(ord, name)):04x}".ljust(64, "0")),
        "Name": f"/{name}",
        "Created": settings.get("created", "2026-01-01T00:00:00Z"),
        "State": state,
        "HostConfig": {"NetworkMode": mode},
        "Config": {
            "Image": settings.get("image", "shop/web:1.2"),
            "Env": [f"{k}={v}" for k, v in settings.get("env", {}).items()],
            "Labels": settings.get("labels", {}),
            "ExposedPorts": {key: {} for key in exposed},
            "StopSignal": settings.get("stop_signal"),
        },
        "NetworkSettings": {
            "Ports": ports,
            "Networks": {
                n: {"IPAddress": a} for n, a in settings.get("networks", {"bridge": "172.17.0.2"}).items()
            },
        },
    }


def container(name="web-1", **settings):
    """The same, read."""
    return Container.from_inspect(inspected(name, **settings))
