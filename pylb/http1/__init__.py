"""Bytes to HTTP/1 messages and back (RFC 9112). No sockets and no clock: every rule is a pure function.

Glossary:
    Head: start line and field lines of a message, up to the empty line.
    Field line: `Name: value` in a head or a trailer section.
    Framing: what determines the end of a body: a length, chunks, or the close of the connection.
    Clean: a head whose field lines may be forwarded unchanged.
    Decoder: extracts the payload of one body from the bytes of a connection.
    Client info: the facts about a client that backends receive in forwarding fields.
    Hop: one element of a chain of proxies (`X-Forwarded-For`, `Forwarded`).
    Head cache: parsed heads by their bytes, so that repeated heads are parsed once.
"""
