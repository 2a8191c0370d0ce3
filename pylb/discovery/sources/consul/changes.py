"""Which services of a Consul catalog have changed: the differences between what it said before and says now.

Three kinds of documents are compared, which together show every change of an instance, however many services
there are: the checks that do not pass, the checks on each node, and the instances on each node. Nothing is
asked here.

The documents of a node may hold thousands of entries, nearly all as before. So they are split into the bytes
of single entries, and only those that differ are read: a whole document makes so many objects that garbage
collection stops the process for 200 ms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

import orjson

Check = tuple[str, str, str]
"""A check that does not pass: its node, its id, and its service; without a service it concerns the node."""
Facts = set[tuple[str, ...]]
"""What an entry says of services: tuples that begin with the name of one."""

CHECK = b'{"Node":'
"""How a check begins, unless Consul indents its answers, as development agents do."""
BETWEEN_CHECKS = re.compile(rb'(?<=\})\s*,\s*(?=\{\s*"Node"\s*:)')
"""What separates two checks; it cannot be part of a string, where each quote has a backslash before it."""
BETWEEN_INSTANCES = re.compile(rb'(?<=\})\s*,\s*(?="[^"]*"\s*:\s*\{\s*"ID"\s*:)')
"""What separates two instances, likewise."""
BEFORE_INSTANCES = re.compile(rb'\s*,\s*"Services"\s*:\s*\{')
END = b"\0"
"""Ends the address before an entry; JSON has no such byte."""


class Changes:
    """Remembers the documents of one catalog, and compares each with the next."""

    def __init__(self) -> None:
        self._unhealthy: dict[str, frozenset[Check]] = {}
        """By state."""
        self._checks = Documents(split_checks, check_facts)
        self._instances = Documents(split_instances, instance_facts)

    def unhealthy(self, state: str, items: Iterable[Any]) -> set[str]:
        """Take the checks that are in a state; return the services that are concerned by a difference.

        A check's output does not count: it may differ with each run.
        """
        now = frozenset(
            (str(item.get("Node")), str(item.get("CheckID")), str(item.get("ServiceName") or ""))
            for item in items
            if isinstance(item, dict)
        )
        before, self._unhealthy[state] = self._unhealthy.get(state, frozenset()), now
        changed: set[str] = set()
        for node, _, service in before ^ now:
            changed |= {service} if service else self._services(node)
        return changed

    def checks(self, node: str, document: bytes) -> set[str]:
        """Take the checks on a node; return the services of which any have come or gone.

        Raises:
            ValueError: it is another document.
        """
        return self._checks.replace(node, document)

    def instances(self, node: str, document: bytes) -> set[str]:
        """Take the instances on a node; return the services of which any differ.

        Raises:
            ValueError: it is another document.
        """
        return self._instances.replace(node, document)

    def retain(self, nodes: Collection[str]) -> set[str]:
        """Forget all other nodes; return the services that had instances there."""
        self._checks.retain(nodes)
        return self._instances.retain(nodes)

    def _services(self, node: str) -> set[str]:
        return self._instances.services(node) | self._checks.services(node)


class Documents:
    """One document for each node.

    Args:
        split: finds the entries of a document.
        read: finds in an entry what counts.
    """

    def __init__(self, split: Callable[[bytes], Iterable[bytes]], read: Callable[[bytes], Facts]) -> None:
        self._split = split
        self._read = read
        self._documents: dict[str, bytes] = {}
        self._entries: dict[str, frozenset[bytes]] = {}

    def services(self, node: str) -> set[str]:
        """Names of the services that a node's document mentions."""
        return {service for service, *_ in self._facts(self._entries.get(node, ()))}

    def replace(self, node: str, document: bytes) -> set[str]:
        """Take a node's next document; return the services that it says something else of.

        Raises:
            ValueError: it cannot be understood.
        """
        if self._documents.get(node) == document:
            return set()
        before, now = self._entries.get(node, frozenset()), frozenset(self._split(document))
        changed = self._facts(before - now) ^ self._facts(now - before)
        self._documents[node], self._entries[node] = document, now
        return {service for service, *_ in changed}

    def retain(self, nodes: Collection[str]) -> set[str]:
        """Forget all other nodes; return the services that their documents mentioned."""
        changed: set[str] = set()
        for node in self._entries.keys() - set(nodes):
            changed |= self.services(node)
            del self._entries[node], self._documents[node]
        return changed

    def _facts(self, entries: Iterable[bytes]) -> Facts:
        return {fact for entry in entries for fact in self._read(entry)}


def split_checks(document: bytes) -> list[bytes]:
    """Split the answer of `/v1/health/node/NAME` into checks.

    Raises:
        ValueError: it is no array.
    """
    array = document.strip()
    if not (array.startswith(b"[") and array.endswith(b"]")):
        raise ValueError(f"expected an array of checks, got {document[:40]!r}")
    entries = array[1:-1].strip()
    if entries.startswith(CHECK):  # ten times as fast
        return [CHECK + entry + b"}" for entry in entries[len(CHECK) : -1].split(b"}," + CHECK)]
    return BETWEEN_CHECKS.split(entries) if entries else []


def check_facts(entry: bytes) -> Facts:
    """Read a check; whether it passes is not what counts here, nor are those of the node itself.

    Raises:
        ValueError: it is no check.
    """
    check = orjson.loads(entry)
    try:
        service = check.get("ServiceName")
        return {(service, check["CheckID"], str(check.get("CreateIndex")))} if service else set()
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"expected a check ({error!r})") from error


def split_instances(document: bytes) -> list[bytes]:
    """Split the answer of `/v1/catalog/node/NAME` into instances, each after the address of the node.

    Raises:
        ValueError: it is no object with a node and services.
    """
    whole = document.strip()
    if whole == b"null":
        return []
    start = BEFORE_INSTANCES.search(whole)
    inner = whole[:-1].rstrip()
    if start is None or not (whole.endswith(b"}") and inner.endswith(b"}")):
        raise ValueError(f"expected the instances on a node, got {document[:40]!r}")
    try:
        address = str(orjson.loads(whole[: start.start()] + b"}")["Node"]["Address"]).encode() + END
    except (TypeError, KeyError) as error:
        raise ValueError(f"expected a node ({error!r})") from error
    entries = inner[start.end() : -1].strip()
    return [address + entry for entry in BETWEEN_INSTANCES.split(entries)] if entries else []


def instance_facts(entry: bytes) -> Facts:
    """Read an instance.

    Raises:
        ValueError: it is no instance.
    """
    address, _, instance = entry.partition(END)
    try:
        return {
            (instance["Service"], key, str(instance.get("ModifyIndex")), address.decode())
            for key, instance in orjson.loads(b"{%b}" % instance).items()
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"expected an instance ({error!r})") from error
