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
from dataclasses import replace
from functools import lru_cache
from itertools import product, takewhile

from pylb.routes.expression_syntax import ANY, BEGIN, END, Edge, Group, Node, Sequence, Set, parse
from pylb.routes.quote import quoted

LONGEST = 512
"""Characters of an expression."""

MOST_PATHS = 16
"""Paths through the alternatives and optional parts of an expression. Each is tried once."""

_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


_Path = tuple[Set | Edge, ...]


class Expression:
    """A compiled expression. `compile_expression` makes it."""

    __slots__ = ("_anchored", "_regex", "groups", "prefix", "suffix")

    def __init__(
        self, regex: re.Pattern[bytes], *, anchored: bool, prefix: str = "", suffix: str = ""
    ) -> None:
        self._regex = regex
        self._anchored = anchored
        self.prefix = prefix
        """What each text that matches begins with."""
        self.suffix = suffix
        """What each text that matches ends with."""
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
        branches = parse(text)
        paths = list(_paths(Group(branches)))
        anchored = at_start or all(path and _starts_at_begin(path[0]) for path in paths)
        for path in paths:
            _check(path, anchored=anchored or path[:1] == (BEGIN,))
    except ValueError as error:
        raise ValueError(f"the expression {quoted(text)} {error}") from None
    regex = re.compile(_branches_pattern(branches).encode("latin-1"))
    first, last = (branches[0], branches[0][::-1]) if len(branches) == 1 else ((), ())
    prefix, suffix = _literal(first, BEGIN), _literal(last, END)[::-1]
    return Expression(regex, anchored=anchored, prefix=prefix, suffix=suffix)


def _literal(nodes: Sequence, edge: Edge) -> str:
    """Return the characters that follow an edge of the text, up to the first that is not certain."""
    if nodes[:1] != (edge,):
        return ""
    sure = takewhile(
        lambda node: isinstance(node, Set) and len(node.chars) == 1 and not node.loops, nodes[1:]
    )
    return "".join(chr(*node.chars) * node.low for node in sure if isinstance(node, Set))


def _starts_at_begin(first: Set | Edge) -> bool:
    """Whether a match that begins with this begins at the start of the text, if there is one."""
    return first == BEGIN or (isinstance(first, Set) and first.chars == ANY and first.high is None)


def _paths(node: Node) -> Iterator[_Path]:
    """Yield the paths through a node: one for each choice of alternatives."""
    if not isinstance(node, Group):
        if isinstance(node, Set) and (node.low, node.high) == (0, 1):
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
    if BEGIN in path[1:] or END in path[:-1]:
        raise ValueError("has ^ or $ in its middle")
    loops = [place for place, each in enumerate(path) if isinstance(each, Set) and each.loops]
    if not (anchored or all(_cannot_fail(path, place) for place in loops)):
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
    if not following or isinstance(following[0], Edge):
        return True
    assert isinstance(loop, Set)  # noqa: S101
    return following[0].low > 0 and not loop.chars & following[0].chars


def _cannot_fail(path: _Path, place: int) -> bool:
    """Whether a loop is the last part of a path, and accepts whatever follows."""
    rest = path[place + 1 :]
    loop = path[place]
    return not rest or (rest == (END,) and isinstance(loop, Set) and loop.chars == ANY and loop.high is None)


def _pattern(node: Node) -> str:
    if isinstance(node, Edge):
        return node.pattern
    if isinstance(node, Group):
        inner = f"({'' if node.captures else '?:'}{_branches_pattern(node.branches)})"
        return inner + "?" * node.optional
    chars = "." if node.chars == ANY else "[" + "".join(f"\\x{char:02x}" for char in sorted(node.chars)) + "]"
    if len(node.chars) == 1:
        chars = chars[1:-1]
    if (node.low, node.high) == (1, 1):
        return chars
    return f"{chars}{{{node.low},{'' if node.high is None else node.high}}}"


def _branches_pattern(branches: tuple[Sequence, ...]) -> str:
    return "|".join("".join(map(_pattern, branch)) for branch in branches)
