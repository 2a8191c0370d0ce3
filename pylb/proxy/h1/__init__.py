"""The client side of HTTP/1: how a connection carries requests in order, and how their bodies are framed.

Only this folder parses the heads of requests. It decides whether a response leaves with a length, in chunks
or up to the end of the connection, and whether the connection stays open after it. It may not import a
handler.
"""
