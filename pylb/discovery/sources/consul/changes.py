"""Finds the services that differ between two states of a Consul catalog.

It compares three kinds of documents, which together show every change of an instance: the checks that do not
pass, the checks on each node, and the instances on each node. It does no I/O.

The document of a node may have thousands of entries, and nearly all of them are as before. So a document is
split into the bytes of its entries, and only entries that differ are parsed: parsing a whole document creates
so many objects that a garbage collection takes 200 ms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

import orjson

Check = tuple[str, str, str]
"""A check that does not pass: its node, its id, and its service; empty for a check of the node."""
Facts = set[tuple[str, ...]]
"""The relevant values of an entry: tuples that begin with the name of a service."""

CHECK = b'{"Node":'
"""The start of a check, unless Consul indents its answers, as development agents do."""
BETWEEN_CHECKS = re.compile(rb'(?<=\})\s*,\s*(?=\{\s*"Node"\s*:)')
"""The separator of two checks; strings cannot contain it, because their quotes follow a backslash."""
BETWEEN_INSTANCES = re.compile(rb'(?<=\})\s*,\s*(?="[^"]*"\s*:\s*\{\s*"ID"\s*:)')
"""The separator of two instances."""
BEFORE_INSTANCES = re.compile(rb'\s*,\s*"Services"\s*:\s*\{')
END = b"\0"
"""The end of the address before an entry; JSON does not contain this byte."""


class Changes:
    """Keeps the documents of one catalog, and compares each with the next."""

    def __init__(self) -> None:
        self._unhealthy: dict[str, frozenset[Check]] = {}
        """By state."""
        self._checks = Documents(split_checks, check_facts)
        self._instances = Documents(split_instances, instance_facts)

    def unhealthy(self, state: str, items: Iterable[Any]) -> set[str]:
        """Replace the checks in a state; return the services of those that differ.

        The output of a check is ignored: it may differ in each run.
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
        """Replace the checks on a node; return the services with added or removed checks.

        Raises:
            ValueError: the document has another form.
        """
        return self._checks.replace(node, document)

    def instances(self, node: str, document: bytes) -> set[str]:
        """Replace the instances on a node; return the services of those that differ.

        Raises:
            ValueError: the document has another form.
        """
        return self._instances.replace(node, document)

    def retain(self, nodes: Collection[str]) -> set[str]:
        """Discard all other nodes; return the services that had instances there."""
        self._checks.retain(nodes)
        return self._instances.retain(nodes)

    def _services(self, node: str) -> set[str]:
        return self._instances.services(node) | self._checks.services(node)


class Documents:
    """One document for each node.

    Args:
        split: splits a document into entries.
        read: returns the relevant values of an entry.
    """

    def __init__(self, split: Callable[[bytes], Iterable[bytes]], read: Callable[[bytes], Facts]) -> None:
        self._split = split
        self._read = read
        self._documents: dict[str, bytes] = {}
        self._entries: dict[str, frozenset[bytes]] = {}

    def services(self, node: str) -> set[str]:
        """Return the names of the services in a node's document."""
        return {service for service, *_ in self._facts(self._entries.get(node, ()))}

    def replace(self, node: str, document: bytes) -> set[str]:
        """Replace a node's document; return the services with entries that differ.

        Raises:
            ValueError: the document has another form.
        """
        if self._documents.get(node) == document:
            return set()
        before, now = self._entries.get(node, frozenset()), frozenset(self._split(document))
        changed = self._facts(before - now) ^ self._facts(now - before)
        self._documents[node], self._entries[node] = document, now
        return {service for service, *_ in changed}

    def retain(self, nodes: Collection[str]) -> set[str]:
        """Discard all other nodes; return the services in their documents."""
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
        ValueError: the document is no array.
    """
    array = document.strip()
    if not (array.startswith(b"[") and array.endswith(b"]")):
        raise ValueError(f"expected an array of checks, got {document[:40]!r}")
    entries = array[1:-1].strip()
    if entries.startswith(CHECK):  # Ten times as fast.
        return [CHECK + entry + b"}" for entry in entries[len(CHECK) : -1].split(b"}," + CHECK)]
    return BETWEEN_CHECKS.split(entries) if entries else []


def check_facts(entry: bytes) -> Facts:
    """Return the identity of a check; its status is not part of it. A check of the node has none.

    Raises:
        ValueError: the entry is no check.
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
        ValueError: the document is no object with a node and services.
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
    """Return the values of an instance that change with each registration.

    Raises:
        ValueError: the entry is no instance.
    """
    address, _, instance = entry.partition(END)
    try:
        return {
            (instance["Service"], key, str(instance.get("ModifyIndex")), address.decode())
            for key, instance in orjson.loads(b"{%b}" % instance).items()
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"expected an instance ({error!r})") from error
