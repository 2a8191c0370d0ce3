"""The syntax of regular expressions that `expression` accepts: a part of RE2's, as a tree.

Alternatives are groups, and a quantifier is a part of the set that it repeats. Other quantified groups are
refused, except for optional ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

MOST_REPEATS = 64
"""Repetitions of a counted quantifier."""

DEEPEST = 8
"""Groups within groups."""

ANY = frozenset(range(256)) - {10}
"""The characters of `.`."""

_DIGITS = frozenset(b"0123456789")
_WORD = _DIGITS | frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = frozenset(b"\t\n\f\r ")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE, "D": ANY - _DIGITS, "W": ANY - _WORD, "S": ANY - _SPACE}
_COUNT = re.compile(r"\{([0-9]{1,3})(?:(,)([0-9]{0,3}))?\}")


@dataclass(frozen=True, slots=True)
class Set:
    """One of some characters, repeated."""

    chars: frozenset[int]
    low: int = 1
    high: int | None = 1

    @property
    def loops(self) -> bool:
        """Whether the number of characters is open. A range is: only its bound differs."""
        return self.low != self.high


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives, each a sequence."""

    branches: tuple[Sequence, ...]
    captures: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """The begin or the end of the text."""

    pattern: str


Node = Set | Group | Edge
Sequence = tuple[Node, ...]

BEGIN, END = Edge(r"\A"), Edge(r"\Z")


def parse(text: str) -> tuple[Sequence, ...]:
    """Return the alternatives of an expression.

    Raises:
        ValueError: it is invalid, or has what is not implemented; the message is a phrase that follows it.
    """
    return _Parser(text).whole()


class _Parser:
    """A recursive descent over the characters of an expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> tuple[Sequence, ...]:
        branches = self._branches(0)
        if self._at < len(self._text):
            raise ValueError("has a ) without a (")
        return branches

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) * found
        return found

    def _branches(self, depth: int) -> tuple[Sequence, ...]:
        if depth > DEEPEST:
            raise ValueError(f"has groups that are nested too deeply, expected {DEEPEST} levels")
        branches = [self._sequence(depth)]
        while self._skip("|"):
            branches.append(self._sequence(depth))
        return tuple(branches)

    def _sequence(self, depth: int) -> Sequence:
        nodes: list[Node] = []
        while self._next() not in ("", "|", ")"):
            nodes.append(self._quantified(self._atom(depth)))
        return tuple(nodes)

    def _atom(self, depth: int) -> Node:
        char = self._next()
        if self._skip("("):
            return self._group(depth)
        if self._skip("["):
            return Set(self._set())
        self._at += 1
        if char == "\\":
            return self._escape()
        if char in "^$":
            return BEGIN if char == "^" else END
        if char in "*+?{":
            raise ValueError(f"has a {char} that follows nothing that can be repeated")
        return Set(ANY if char == "." else frozenset(char.encode()))

    def _group(self, depth: int) -> Group:
        captures = not self._skip("?:")
        if self._next() == "?":
            raise ValueError("has a group of a kind that is not implemented, expected (...) or (?:...)")
        branches = self._branches(depth + 1)
        if not self._skip(")"):
            raise ValueError("has a ( without a )")
        return Group(branches, captures)

    def _escape(self) -> Set | Edge:
        char = self._next()
        self._at += 1
        if char in ("A", "z"):
            return BEGIN if char == "A" else END
        return Set(self._escaped(char))

    @staticmethod
    def _escaped(char: str) -> frozenset[int]:
        if char in _CLASSES:
            return _CLASSES[char]
        if not char or char.isalnum():
            raise ValueError(f"has the escape \\{char}, which is not implemented")
        return frozenset(char.encode())

    def _set(self) -> frozenset[int]:
        """Read a set, from behind its `[`."""
        negated = self._skip("^")
        chars: set[int] = set()
        first = True
        while first or self._next() != "]":
            low = self._member()
            if self._next() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._member()
                if len(low) != 1 or len(high) != 1 or min(low) > min(high):
                    raise ValueError("has a range of characters that is invalid")
                low = frozenset(range(min(low), min(high) + 1))
            chars |= low
            first = False
        self._at += 1
        found = ANY - chars if negated else frozenset(chars)
        if not found:
            raise ValueError("has a set without characters")
        return found

    def _member(self) -> frozenset[int]:
        char = self._next()
        if not char or self._text.startswith("[:", self._at):
            raise ValueError("has a [ without a ], or a named class")
        self._at += 1
        if char != "\\":
            return frozenset(char.encode())
        escaped = self._next()
        self._at += 1
        return self._escaped(escaped)

    def _quantified(self, node: Node) -> Node:
        low, high = self._quantifier()
        if (low, high) == (1, 1):
            return node
        if self._next() in ("*", "+", "?", "{"):
            raise ValueError("has a quantifier on a quantifier, which is not implemented")
        if isinstance(node, Group):
            node = _single(node)
        if isinstance(node, Set) and (node.low, node.high) == (1, 1):
            return replace(node, low=low, high=high)
        if isinstance(node, Group) and (low, high) == (0, 1):
            return replace(node, optional=True)
        raise ValueError("repeats a group, which is not implemented")

    def _quantifier(self) -> tuple[int, int | None]:
        for sign, low, high in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._skip(sign):
                return low, high
        count = _COUNT.match(self._text, self._at)
        if count is None:
            return 1, 1
        self._at = count.end()
        low = int(count[1])
        high = low if count[2] is None else int(count[3]) if count[3] else None
        if max(low, high or 0) > MOST_REPEATS or (high is not None and not low <= high) or high == 0:
            raise ValueError(f"repeats up to {high or low} times, expected at most {MOST_REPEATS}")
        return low, high


def _single(group: Group) -> Group | Set:
    """Return the set of a group that has nothing else, as `(?:[a-z])`."""
    if group.captures or group.optional or len(group.branches) != 1 or len(group.branches[0]) != 1:
        return group
    (node,) = group.branches[0]
    return node if isinstance(node, Set) else group
