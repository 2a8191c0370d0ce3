r"""Regular expressions of imported rules, restricted to those that match in time linear in the text.

Python's `re` backtracks, and the texts are those of clients. So this file reads a part of RE2's syntax, and
refuses the rest: no quantifier on a group except `?`, no lazy quantifier, no flags. What remains is a small
number of paths, each a sequence of character sets. A path is linear if each of its loops but one ends at a
character that cannot continue it, and if nothing that can fail late follows that one loop.

    ^https?://www\.(.+)          accepted
    ^/v[0-9]+/([^/]+)/(a|b)$     accepted
    ^(a+)+$, ^.*a.*b             refused

Semantics are those of RE2: the first alternative wins, `.` and sets are bytes, `$` is the end of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

from pylb.routes.quote import quoted

LONGEST = 512
"""Characters of an expression."""

MOST_PATHS = 16
"""Paths through the alternatives and optional parts of an expression. Each is tried once."""

MOST_REPEATS = 64
"""Repetitions of a counted quantifier."""

DEEPEST = 8
"""Groups within groups."""

_ANY = frozenset(range(256)) - {10}
_DIGITS = frozenset(b"0123456789")
_WORD = _DIGITS | frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = frozenset(b"\t\n\f\r ")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE, "D": _ANY - _DIGITS, "W": _ANY - _WORD, "S": _ANY - _SPACE}
_COUNT = re.compile(r"\{([0-9]{1,3})(?:(,)([0-9]{0,3}))?\}")
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class _Set:
    """One of some characters, repeated."""

    chars: frozenset[int]
    low: int = 1
    high: int | None = 1

    @property
    def loops(self) -> bool:
        """Whether the number of characters is open. A range is: only its bound differs."""
        return self.low != self.high


@dataclass(frozen=True, slots=True)
class _Group:
    branches: tuple[_Sequence, ...]
    captures: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class _Edge:
    """The begin or the end of the text."""

    pattern: str


_Node = _Set | _Group | _Edge
_Sequence = tuple[_Node, ...]
_Path = tuple[_Set | _Edge, ...]

_BEGIN, _END = _Edge(r"\A"), _Edge(r"\Z")


class Expression:
    """A compiled expression. `compile_expression` makes it."""

    __slots__ = ("_anchored", "_regex", "groups")

    def __init__(self, regex: re.Pattern[bytes], *, anchored: bool) -> None:
        self._regex = regex
        self._anchored = anchored
        self.groups = regex.groups
        """The number of groups that capture."""

    def matches(self, text: bytes) -> bool:
        """Whether it matches anywhere in a text."""
        return (self._regex.match(text) if self._anchored else self._regex.search(text)) is not None

    def replace(self, text: bytes, template: Template) -> bytes | None:
        """Return the text with each match replaced; None if there is no match."""
        found, count = self._regex.subn(template.expand, text, int(self._anchored))
        return found if count else None


class Template:
    """What replaces a match: text in which `$1` or `${1}` is what a group captured, and `$$` is `$`.

    Args:
        text: the template.
        groups: of the expression.

    Raises:
        ValueError: it names a group that does not exist. Go replaces `$1x` by nothing: the name is `1x`.
    """

    __slots__ = ("_parts",)

    def __init__(self, text: str, groups: int) -> None:
        self._parts: list[bytes | int] = []
        place = 0
        for reference in _REFERENCE.finditer(text):
            name = reference[2] or reference[3]
            if name and not (name.isascii() and name.isdigit() and int(name) <= groups):
                raise ValueError(f"{quoted(text)} names the group {quoted(name)}, expected one of {groups}")
            self._parts += [text[place : reference.start()].encode(), int(name) if name else b"$"]
            place = reference.end()
        self._parts.append(text[place:].encode())

    def expand(self, match: re.Match[bytes]) -> bytes:
        """Return the text for one match."""
        return b"".join((match[part] or b"") if isinstance(part, int) else part for part in self._parts)


def at_start(text: str) -> bool:
    """Whether an expression for URLs begins with their scheme; it is then compared at their start only."""
    return text.startswith(("http", "(http", "(?:http"))


@lru_cache(maxsize=1024)
def compile_expression(text: str, *, at_start: bool = False) -> Expression:
    """Compile an expression.

    Args:
        text: in RE2's syntax.
        at_start: whether it can only match at the start of a text, also without `^`.

    Raises:
        ValueError: it is invalid, or not one that is certain to match in linear time.
    """
    if len(text) > LONGEST or not (text.isascii() and text.isprintable()):
        raise ValueError(f"{quoted(text)}: expected an expression of at most {LONGEST} ASCII characters")
    try:
        branches = _Parser(text).whole()
        paths = list(_paths(_Group(branches)))
        anchored = at_start or all(path and _starts_at_begin(path[0]) for path in paths)
        for path in paths:
            _check(path, anchored=anchored or path[:1] == (_BEGIN,))
    except ValueError as error:
        raise ValueError(f"the expression {quoted(text)} {error}") from None
    return Expression(re.compile(_branches_pattern(branches).encode("latin-1")), anchored=anchored)


def _starts_at_begin(first: _Set | _Edge) -> bool:
    """Whether a match that begins with this begins at the start of the text, if there is one."""
    return first == _BEGIN or (isinstance(first, _Set) and first.chars == _ANY and first.high is None)


class _Parser:
    """A recursive descent over the characters of an expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> tuple[_Sequence, ...]:
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

    def _branches(self, depth: int) -> tuple[_Sequence, ...]:
        if depth > DEEPEST:
            raise ValueError(f"has groups that are nested too deeply, expected {DEEPEST} levels")
        branches = [self._sequence(depth)]
        while self._skip("|"):
            branches.append(self._sequence(depth))
        return tuple(branches)

    def _sequence(self, depth: int) -> _Sequence:
        nodes: list[_Node] = []
        while self._next() not in ("", "|", ")"):
            nodes.append(self._quantified(self._atom(depth)))
        return tuple(nodes)

    def _atom(self, depth: int) -> _Node:
        char = self._next()
        if self._skip("("):
            return self._group(depth)
        if self._skip("["):
            return _Set(self._set())
        self._at += 1
        if char == "\\":
            return self._escape()
        if char in "^$":
            return _BEGIN if char == "^" else _END
        if char in "*+?{":
            raise ValueError(f"has a {char} that follows nothing that can be repeated")
        return _Set(_ANY if char == "." else frozenset(char.encode()))

    def _group(self, depth: int) -> _Group:
        captures = not self._skip("?:")
        if self._next() == "?":
            raise ValueError("has a group of a kind that is not implemented, expected (...) or (?:...)")
        branches = self._branches(depth + 1)
        if not self._skip(")"):
            raise ValueError("has a ( without a )")
        return _Group(branches, captures)

    def _escape(self) -> _Set | _Edge:
        char = self._next()
        self._at += 1
        if char in ("A", "z"):
            return _BEGIN if char == "A" else _END
        return _Set(self._escaped(char))

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
        found = _ANY - chars if negated else frozenset(chars)
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

    def _quantified(self, node: _Node) -> _Node:
        low, high = self._quantifier()
        if (low, high) == (1, 1):
            return node
        if self._next() in ("*", "+", "?", "{"):
            raise ValueError("has a quantifier on a quantifier, which is not implemented")
        if isinstance(node, _Set):
            return replace(node, low=low, high=high)
        if isinstance(node, _Group) and (low, high) == (0, 1):
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


def _paths(node: _Node) -> Iterator[_Path]:
    """Yield the paths through a node: one for each choice of alternatives."""
    if not isinstance(node, _Group):
        if isinstance(node, _Set) and (node.low, node.high) == (0, 1):
            yield from ((replace(node, low=1),), ())
        else:
            yield (node,)
        return
    number = 0
    for branch in (*node.branches, *([()] if node.optional else [])):
        parts = [list(_paths(each)) for each in branch]
        for choice in product(*parts):
            number += 1
            if number > MOST_PATHS:
                raise ValueError(f"has more than {MOST_PATHS} combinations of alternatives")
            yield tuple(each for part in choice for each in part)


def _check(path: _Path, *, anchored: bool) -> None:
    """Raise ValueError for a path that may take more than linear time, or has an edge in its middle."""
    if _BEGIN in path[1:] or _END in path[:-1]:
        raise ValueError("has ^ or $ in its middle")
    loops = [place for place, each in enumerate(path) if isinstance(each, _Set) and each.loops]
    if loops and not anchored:
        raise ValueError("has a repetition, and no ^ at its beginning: it could take quadratic time")
    open_ended = False
    for place in loops:
        ends = _ends(path, place)
        if open_ended and not _cannot_fail(path, place):
            raise ValueError(
                "has repetitions that can divide a text in several ways: it could take quadratic time"
            )
        open_ended = open_ended or not ends


def _ends(path: _Path, place: int) -> bool:
    """Whether a loop ends at a character that cannot continue it, so that a shorter one never matches."""
    loop, following = path[place], path[place + 1 : place + 2]
    if not following or isinstance(following[0], _Edge):
        return True
    assert isinstance(loop, _Set)  # noqa: S101
    return following[0].low > 0 and not loop.chars & following[0].chars


def _cannot_fail(path: _Path, place: int) -> bool:
    """Whether a loop is the last part of a path, and accepts whatever follows."""
    rest = path[place + 1 :]
    loop = path[place]
    return not rest or (
        rest == (_END,) and isinstance(loop, _Set) and loop.chars == _ANY and loop.high is None
    )


def _pattern(node: _Node) -> str:
    if isinstance(node, _Edge):
        return node.pattern
    if isinstance(node, _Group):
        inner = f"({'' if node.captures else '?:'}{_branches_pattern(node.branches)})"
        return inner + "?" * node.optional
    chars = (
        "." if node.chars == _ANY else "[" + "".join(f"\\x{char:02x}" for char in sorted(node.chars)) + "]"
    )
    if len(node.chars) == 1:
        chars = chars[1:-1]
    if (node.low, node.high) == (1, 1):
        return chars
    return f"{chars}{{{node.low},{'' if node.high is None else node.high}}}"


def _branches_pattern(branches: tuple[_Sequence, ...]) -> str:
    return "|".join("".join(map(_pattern, branch)) for branch in branches)
