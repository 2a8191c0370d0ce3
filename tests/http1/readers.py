"""Parses messages with h11 and with llhttp (through httptools) into one common form."""

from dataclasses import dataclass

import h11
import httptools

LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Message:
    start: tuple
    """Method, target and version, or status and version; all as bytes."""
    fields: tuple
    """Pairs of name in lower case and value."""
    body: bytes
    trailers: tuple


REJECTED = None
"""The result for a message that a parser rejects."""


def plain(fields):
    """Return fields in a form that does not depend on the parser."""
    return tuple((bytes(name).lower(), bytes(value).strip(b"\t ").lower()) for name, value in fields)


def request_by_h11(data):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST)
    return _by_h11(connection, data, lambda head: (head.method, head.target, b"HTTP/" + head.http_version))


def response_by_h11(data):
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a"), ("Upgrade", "websocket")]))
    connection.send(h11.EndOfMessage())
    return _by_h11(connection, data, lambda head: (b"HTTP/" + head.http_version, b"%d" % head.status_code))


def _by_h11(connection, data, start):
    head, body, trailers = None, b"", ()
    try:
        connection.receive_data(data)
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(b"")
            elif event is h11.PAUSED or isinstance(event, h11.InformationalResponse):
                head = event if event is not h11.PAUSED else head
                break
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                head = event
        else:
            trailers = event.headers
    except h11.RemoteProtocolError:
        return REJECTED
    return Message(start(head), plain(head.headers), body, plain(trailers))


class _Llhttp:
    def __init__(self):
        self.url, self.fields, self.body, self.trailers = b"", [], b"", []
        self.complete = self.after_head = False

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        (self.trailers if self.after_head else self.fields).append((name, value))

    def on_headers_complete(self):
        self.after_head = True

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        self.complete = True


def request_by_llhttp(data):
    return _by_llhttp(
        httptools.HttpRequestParser, data, lambda parser, heard: (parser.get_method(), heard.url)
    )


def response_by_llhttp(data):
    return _by_llhttp(
        httptools.HttpResponseParser, data, lambda parser, _: (b"%d" % parser.get_status_code(),)
    )


def _by_llhttp(make, data, words):
    heard = _Llhttp()
    parser = make(heard)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        return REJECTED
    version = b"HTTP/" + parser.get_http_version().encode()
    texts = words(parser, heard)
    start = (version, *texts) if make is httptools.HttpResponseParser else (*texts, version)
    return Message(start, plain(heard.fields), heard.body, plain(heard.trailers))
