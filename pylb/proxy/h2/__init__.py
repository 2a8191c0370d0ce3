"""A client connection with HTTP/2: each of its streams is the exchange of one request (RFC 9113).

    connection     reads and writes the frames of all streams of a client, drains, and ends
    stream         one request and its response
    body           the body of a request or response as frames deliver it

The frames themselves are the task of `pylb.http2`.
"""
