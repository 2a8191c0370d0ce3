"""The handlers of requests, and the choice of one for each client connection.

A handler is a function of type `proxy.exchange.Handler`. It receives a parsed request and its exchange, and
forwards the request, answers it, or raises a `ProxyError`. A handler that wraps another one (a middleware)
calls that with the same arguments; `proxy.forward.forward` is the last. It may not import the server or the
class of a connection.

    choice         which handler serves a connection
    redirect       redirects to the port with TLS
    debug_header   adds the choice of the backend to the response
"""
