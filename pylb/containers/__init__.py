"""Reads the JSON of a Docker engine into values: pure functions and dataclasses, no I/O and no clock.

The registrator makes registrations from them, and the Docker provider endpoints. A setting that cannot be
used is a problem of its container and is skipped; it never makes another container unusable.

Container: one container as inspected at one moment.
Network: a Docker network to which a container is attached, with the container's address there.
Port: a port that a container exposes, with its bindings.
Binding: an address and port of the engine's machine at which a port is published.
Metadata: the `SERVICE_*` settings of one port, from environment and labels.
Problem: a sentence about a setting that cannot be used.
Stopping: the containers that received their stop signal and have not ended.
One-off: a container that `docker compose run` started for one command; it is no instance of its service.
"""
