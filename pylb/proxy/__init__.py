"""The data plane: it accepts client connections and forwards their requests to backends.

It is the only code that reads and writes the connections of clients and backends. It may not import
discovery, registries or the admin API. Decisions (which pool, which backend, whether to retry) belong to
`policy`, the format of messages to `http1`. Imports in this folder go one way, downwards in this list:

    server               accepts connections, runs the sweep, drains
    handlers/            redirect and debug header; chooses what serves the requests of a connection
    h1/                  a client connection with HTTP/1: it parses heads and frames responses
    h2/                  a client connection with HTTP/2, and its streams
    negotiation          chooses between the two on a TLS connection
    forward              takes a request to a backend and the response to the client
    routing              finds the route of a request and applies its actions
    queue, tunnel        wait for a backend with capacity; relay bytes after an upgrade
    failure              records and refuses a request that failed
    exchange             the interface of a request and its client for a handler
    client_connection    a connection of a client below its protocol
    context              the state that all requests of a worker share
    service              what the requests of one service use
    clients              admits connections, identifies the client of a request
    upstream/            connections to backends
    tls/                 certificates and session tickets of the listeners
    transfer, batch      back-pressure between two connections; writes once per loop iteration
    driven               resumes a coroutine, and measures the progress of a slow client
    waiter               a coroutine that an event can wake

Glossary:

    Attempt: one use of one backend for a request; `policy.lease.Lease` holds it.
    Backend: one instance of a service, as this worker sees it (`policy.backend`).
    BodyPump: moves one body from the stream that it arrives on to another one.
    ClientConnection: a client's connection below its protocol: coroutine, deadline, end.
    Context: the state that all requests of a worker share: routes, services, rules for clients, caches.
    Downstream: a client connection with HTTP/1.
    Drain: finish requests in flight while no connection is accepted.
    Duty: a function that the sweep calls.
    Event: something happened to a client connection or its backend connection; `await EVENT` waits for it.
    Exchange: the interface of one request and its response for a handler.
    H2Connection: a client's connection with HTTP/2; H2Stream: one request on it.
    Handler: a function that serves one request of an exchange.
    Linger: read and discard what a client sends after its last response.
    Loop iteration: one pass of the event loop over its ready sockets and callbacks.
    Preamble: the PROXY protocol header at the beginning of a connection.
    Record: the facts of one request; the exchange begins it and reports it once.
    RelayDirection: one direction of a tunnel.
    ByteStream: a source and sink of bytes with back-pressure.
    Service: what the requests of one service use: its pool, connector, time-outs, limits, rules for retries.
    Sweep: the timer that checks every deadline four times a second.
    Tunnel: bytes in both directions after a 101 response.
    Upstream: one exchange with a backend; with HTTP/1 the connection itself.
    Waiter: a coroutine with a deadline, which an event can wake.
    WriteBatch: collects the writes of one loop iteration.
"""
