"""Escapes text of external origin for display: ids, tags, check output, paths, errors of other programs.

Any client that can register a service controls such text. A line feed in it would forge a line of the log,
and an escape sequence would reach the operator's terminal. All text for people therefore passes through
`printable`: log lines, terminal tables, findings and error messages. The access log escapes more
(`observe.accesslog`), because its fields must remain separable.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return `text` as one line in which each character is visible.

    Control characters (C0, DEL, C1), line and paragraph separators, format characters such as those that
    change the writing direction, whitespace other than the space, and unassigned code points are escaped as
    in a Python string: `\n`, `\x1b`, `\u202e`. Letters of all scripts are unchanged.
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
