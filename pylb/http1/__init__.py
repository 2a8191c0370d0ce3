"""Bytes to messages and back (RFC 9112). No sockets, no clock: every rule here is a pure function."""
