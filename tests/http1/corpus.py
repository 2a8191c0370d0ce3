"""Wire cases as files: what arrives, and what must become of it.

    # What the case is about, in a sentence.
    # source: where the rule or the attack comes from
    # refused: 400 words of the message          <- in `invalid/`: status and a part of the message
    # body: hello                                <- in `valid/`: the payload, if there is any
    POST / HTTP/1.1\\r\\n
    Host: shop.example\\r\\n
    Content-Length: 5\\r\\n
    \\r\\n
    hello
    ---                                          <- in `valid/`: the head that is sent on
    POST / HTTP/1.1\\r\\n
    ...

On the wire there is what is written, without the line ends of the file; `\\r`, `\\n`, `\\t`, `\\\\`, `\\xNN`
stand for bytes that one could not see. Other facts that a comment may state are listed in `FACTS`.
"""

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

HERE = Path(__file__).parent

FACTS = {
    "source": "where the rule, or the attack, comes from",
    "refused": "the status, and a part of the message",
    "body": "the payload",
    "trailers": "the trailers that are passed on",
    "rest": "bytes that follow the message and belong to the next",
    "closes": "`yes` if the sender wants the connection closed, or must close it",
    "host": "for which host the request counts, if not shop.example; `none` for none",
    "port": "which port the client used, if not 80",
    "trusted": "`yes` if the client's X-Forwarded fields are believed",
    "told": "what is added for the backend, if not the usual lines",
    "method": "of the request that is answered, if not GET",
    "client": "minor version of the client's HTTP, if not 1",
}

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([rnt\\]))")
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


def wire(text):
    """The bytes that a section of a file, or a fact, stands for."""

    def byte(match):
        return chr(int(match[1], 16)) if match[1] else _ESCAPES[match[2]]

    return _ESCAPE.sub(byte, text.replace("\n", "")).encode("latin-1")


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    facts: dict
    wire: bytes
    forwarded: bytes

    def fact(self, name, otherwise=""):
        return wire(self.facts.get(name, otherwise))

    @property
    def status(self):
        return int(self.facts["refused"].split()[0])

    @property
    def words(self):
        return self.facts["refused"].partition(" ")[2]


def read(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("# "), lines)]
    title, *facts = comments
    text = "\n".join(lines[len(comments) :])
    sent, _, forwarded = text.partition("\n---\n")
    pairs = dict(fact.partition(": ")[::2] for fact in facts)
    return Case(path.stem, title, pairs, wire(sent), wire(forwarded))


def cases(kind, verdict):
    """All cases of a kind (`requests`, `responses`) and verdict (`valid`, `invalid`)."""
    return [read(path) for path in sorted((HERE / kind / verdict).glob("*.http"))]
