"""Session tickets that several processes can read, so that a client may come back to any of them.

A ticket is a TLS session, sealed with keys that OpenSSL makes up for each context (RFC 5077, RFC 8446
§4.6.1). Python has no way to give it others, so it is asked directly: `SSL_CTX_set_tlsext_ticket_keys`. So
it is for the conditions under which a session may be resumed: `SSL_CTX_set_session_id_context`.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl

_SET_TICKET_KEYS = 59
"""SSL_CTRL_SET_TLSEXT_TICKET_KEYS in OpenSSL's ssl.h."""


def share(context: ssl.SSLContext, keys: bytes) -> bool:
    """Let a context seal its tickets with these keys, and open those that others have sealed with them.

    Args:
        context: of a listener.
        keys: 80 random bytes, secret: 16 for a name, 32 to sign with, 32 to encrypt with.

    Returns:
        Whether it does. Where Python brings an OpenSSL of its own inside, it cannot be reached.
    """
    try:
        control = ctypes.CDLL(_ssl.__file__).SSL_CTX_ctrl
    except (AttributeError, OSError):
        return False
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    control.restype = ctypes.c_long
    return bool(control(_pointer(context), _SET_TICKET_KEYS, len(keys), keys))


def bind(context: ssl.SSLContext, conditions: bytes) -> bool:
    """Let a context resume only sessions that were begun under the same conditions, by ticket or by id.

    Args:
        context: of a listener.
        conditions: at most 32 bytes that stand for them.

    Returns:
        Whether it does; see `share`.
    """
    try:
        set_context = ctypes.CDLL(_ssl.__file__).SSL_CTX_set_session_id_context
    except (AttributeError, OSError):
        return False
    set_context.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint)
    set_context.restype = ctypes.c_int
    return bool(set_context(_pointer(context), conditions, len(conditions)))


def _pointer(context: ssl.SSLContext) -> ctypes.c_void_p:
    """OpenSSL's context: CPython's begins with what every object has, then comes the pointer to it."""
    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
