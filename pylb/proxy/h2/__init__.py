"""A client connection with HTTP/2: each of its streams is the exchange of one request (RFC 9113).

    connection     reads and writes the frames of all streams of a client, drains, and ends
    call           one call of gRPC
    stream         one request and its response

`pylb.proxy.multiplex` has what connections to backends share with it.
"""
