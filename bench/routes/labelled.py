"""The services of a compose file with their labels, as tags of Consul."""

from __future__ import annotations

from pathlib import Path

import yaml


def labelled_services(file: Path) -> dict[str, list[str]]:
    """Return the labels of each service of a compose file; see `labels_of`."""
    return labels_of(file.read_text())


def labels_of(text: str) -> dict[str, list[str]]:
    """Return the labels of each service, as `KEY=VALUE`. Services without labels are left out.

    Args:
        text: of a compose file; `$$` in a value is `$`, as Compose reads it.
    """
    services = yaml.safe_load(text)["services"]
    found: dict[str, list[str]] = {}
    for name, service in services.items():
        labels = service.get("labels") or []
        lines = labels if isinstance(labels, list) else [f"{key}={value}" for key, value in labels.items()]
        if lines:
            found[name] = [line.replace("$$", "$") for line in lines]
    return found


def with_port(labels: list[str], port: int) -> list[str]:
    """Return the labels with the port of a container replaced by that of its origin."""
    return [
        f"{label.partition('=')[0]}={port}" if ".loadbalancer.server.port=" in label else label
        for label in labels
    ]
