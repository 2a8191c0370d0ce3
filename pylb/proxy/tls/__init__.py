"""TLS on client connections: certificates, session tickets, and fields about client certificates.

It makes and reloads the `ssl.SSLContext` of the listeners, and does no I/O on connections. TLS for backends
is in `proxy/upstream/`.

    certificates         certificates by name, reloaded when their files change
    client_certificate   fields for backends about the certificate that a client presented
    session_tickets      ticket keys that all workers share

Glossary:

    Ticket: a TLS session that the server encrypts and the client stores (RFC 5077).
    SNI: the server name that a client sends in its first message; it selects the certificate.
"""
