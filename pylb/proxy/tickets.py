"""Session tickets that several processes can read, so that a client may come back to any of them.

A ticket is a TLS session, sealed with keys that OpenSSL makes up for each context (RFC 5077, RFC 8446
§4.6.1). Python has no way to give it others, so it is asked directly: `SSL_CTX_set_tlsext_ticket_keys`.
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
    # CPython's context begins with what every object has, then comes the pointer to OpenSSL's.
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    return bool(control(pointer, _SET_TICKET_KEYS, len(keys), keys))
