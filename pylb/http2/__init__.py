"""HTTP/2 frames and header blocks, and back (RFC 9113, RFC 7541). No sockets and no clock.

A header block is translated to the head of an HTTP/1.1 message, so both versions share one grammar, one
parser and one `Request`.

Glossary:
    Frame: the unit of the protocol: nine bytes of header, and a payload.
    Stream: one request and its response on a connection; its id is odd, because only clients open streams.
    Session: the state of one connection.
    Header block: the compressed fields of a head or of trailers: the payload of one HEADERS frame and its
        CONTINUATION frames.
    Static table: 61 fields of RFC 7541 that a block can name by an index.
    Dynamic table: fields of earlier blocks of the same connection that a block can name by an index.
    Literal: a field in a block with its value spelled out.
    Pseudo field: a field whose name begins with a colon: a part of an HTTP/1.1 start line, or the host.
"""
