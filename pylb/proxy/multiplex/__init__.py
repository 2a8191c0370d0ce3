"""What connections with HTTP/2 have in common, on the side of clients and of backends (RFC 9113 §5).

    connection  writes what the streams of a connection queue, together, at the end of a loop iteration
    stream      a stream as a source and sink of bytes with back-pressure
    body        the body of a request or response as frames deliver it

The frames themselves are the task of `pylb.http2`. The folder may not import the code of one side.
"""
