"""Text from elsewhere as it is printed: ids, tags, check output, paths, error messages of other programs.

Whoever can register a service chooses those texts. A line feed in one would forge a line of the log, an
escape sequence would reach the operator's terminal. So everything that is printed for people passes through
`printable`: log lines, terminal tables, findings, error messages. The access log has a stricter form
(`observe.accesslog`), because its fields must stay apart.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return `text` as one line in which each character is visible.

    Control characters (C0, DEL, C1), line and paragraph separators, format characters such as those that
    change the direction of writing, blanks other than the space, and unassigned code points are written as
    Python writes them in a string: `\n`, `\x1b`, `\u202e`. Letters of every script stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
