"""The data plane: it accepts client connections and forwards their requests to backends.

It is the only code that reads and writes the connections of clients and backends. It may not import
discovery, registries or the admin API. Decisions (which pool, which backend, whether to retry) belong to
`policy`, the format of messages to `http1`. Imports in this folder go one way, downwards in this list:

    server             accepts connections, runs the sweep, drains
    handlers           choose what serves a connection's requests: forward, redirect or debug_header
    h1                 a client connection with HTTP/1, which frames messages for the client
    forward            takes a request to a backend and the response to the client
    connect, tunnel    open a backend connection; relay bytes after an upgrade
    exchange           what a handler needs of a request and its client
    context            what all requests of a worker share
    upstream           a backend connection
    transfer, batch    back-pressure between two connections; writes once per loop iteration
    waiter             what an event can wake

Glossary:

    Attempt: one use of one backend for a request; `policy.lease.Lease` holds it.
    Backend: one instance of a service, as this worker sees it (`policy.backend`).
    Binding: a backend connection reserved for one client connection, because it is authenticated (NTLM).
    BodyPump: moves one body from the stream that it arrives on to another one.
    ClientConnection: a client's connection below its protocol: coroutine, deadline, end.
    Context: what all requests of a worker share: routes, pools, rules, timeouts, limits, caches.
    Downstream: a client connection with HTTP/1.
    Drain: finish requests in flight while no connection is accepted.
    Duty: a function that the sweep calls.
    Event: something happened to a client connection or its backend connection; `await EVENT` waits for it.
    Exchange: one request and its response, as a handler sees them.
    Handler: a function that serves one request of an exchange.
    Linger: read and discard what a client sends after its last response.
    Loop iteration: one pass of the event loop over its ready sockets and callbacks.
    PendingTransport: buffers writes for a connected socket until the loop has a transport for it.
    Preamble: the PROXY protocol header at the beginning of a connection.
    RelayDirection: one direction of a tunnel.
    Stream: a source and sink of bytes with back-pressure.
    Sweep: the timer that checks every deadline four times a second.
    Tunnel: bytes in both directions after a 101 response.
    Upstream: a connection to a backend.
    Waiter: a coroutine with a deadline, which an event can wake.
    WriteBatch: collects the writes of one loop iteration.
"""
