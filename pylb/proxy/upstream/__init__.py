"""The connections to backends: opening, exchanges, and the idle connections.

`forward`, `tunnel` and the client side use two things of this folder: `Connector`, which opens a connection,
and `Upstream`, the interface of one exchange with a backend. Only this folder writes the heads of requests,
reads the heads of responses and decides whether a connection can be reused. It uses a client only as a
`Waiter`, and may not import the context, an exchange or a handler.

    upstream           the interface: one exchange with a backend
    h1                 a connection with HTTP/1, which carries one exchange at a time
    h2                 one exchange on a stream of a connection with HTTP/2
    h2_connection      such a connection, which carries many exchanges at once
    h2_pool            which of them carries an exchange, and when another one is opened
    negotiated         a TLS connection until the backend has chosen the version of HTTP
    idle               which idle connection is reused, and which ones are closed
    binding            connections that only one client may use
    connector          opens a connection: name, address, PROXY protocol preamble, TLS
    names, reach       resolve a name; connect to the first of several addresses that accepts
    handover           gives a socket to the event loop
    pending_transport  writes to a socket until the loop has made its transport
    tls, handshake     which backends use TLS, and under which name; the TLS handshake

Glossary:

    Binding: a backend connection reserved for one client connection, because it is authenticated (NTLM).
    Home: the list that a connection joins while it is idle: its backend's, or that of a binding.
    Idle: open, and without an exchange.
    PendingTransport: buffers writes for a connected socket until the loop has a transport for it.
    Race: concurrent attempts to connect to several addresses of one backend (RFC 8305).
    Settle: wait shortly for bytes that must not follow, before a connection is reused.
"""
