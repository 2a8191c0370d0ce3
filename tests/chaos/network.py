"""A separate network for each backend that can be cut, so that packets are dropped silently.

It takes root. A cut is a route: what the backend sends to pylb goes nowhere, so pylb hears nothing, not even
that a connection is refused.
"""

from __future__ import annotations

import os
import subprocess
from itertools import count

_numbers = count()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Network:
    """Namespaces for so many backends; leave it with `with` and they are gone."""

    def __init__(self, size: int = 3) -> None:
        self.size = size
        self._names: list[str] = []
        self._nets: list[str] = []

    def __enter__(self) -> Network:
        for place in range(self.size):
            number = next(_numbers)
            name = f"pylb-{os.getpid()}-{number}"
            # Two processes get different networks, as long as their ids differ modulo 2**14.
            block = (os.getpid() % 2**14) * 16 + number % 16
            net = f"10.{192 + (block >> 14 & 15)}.{block >> 6 & 255}.{(block & 63) * 4}"
            base = net.rpartition(".")
            ours, theirs = (f"{base[0]}.{int(base[2]) + n}" for n in (1, 2))
            outer, inner = f"po{os.getpid()}x{number}", f"pi{os.getpid()}x{number}"
            ip("netns", "add", name)
            self._names.append(name)
            ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            ip("addr", "add", f"{ours}/30", "dev", outer)
            ip("link", "set", outer, "up")
            ip("-n", name, "addr", "add", f"{theirs}/30", "dev", inner)
            ip("-n", name, "link", "set", inner, "up")
            ip("-n", name, "link", "set", "lo", "up")
            self._nets.append(ours)
            assert place == len(self._names) - 1
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            ip("netns", "del", name)

    def address(self, place: int) -> str:
        """Where a backend listens."""
        front, _, last = self._nets[place].rpartition(".")
        return f"{front}.{int(last) + 1}"

    def command(self, place: int) -> list[str]:
        """What a command begins with to run there."""
        return ["ip", "netns", "exec", self._names[place]]

    def cut(self, place: int) -> None:
        ip("-n", self._names[place], "route", "add", "blackhole", self._nets[place])

    def mend(self, place: int) -> None:
        ip("-n", self._names[place], "route", "del", "blackhole", self._nets[place])
