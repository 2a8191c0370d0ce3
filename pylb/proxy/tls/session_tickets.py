"""Sets the keys of TLS session tickets and the session id context, for which Python's `ssl` has no API.

A ticket is a TLS session that the server encrypts and the client stores (RFC 5077, RFC 8446 section 4.6.1).
OpenSSL generates its keys for each context, so a ticket of one worker is useless to the others: with N
workers, one of N resumptions succeeds. A full handshake costs a worker 730 µs of CPU time with an RSA key of
2048 bits and 370 µs with P-256, a resumed one 280 µs.

`share` and `bind` call `SSL_CTX_set_tlsext_ticket_keys` and `SSL_CTX_set_session_id_context` through ctypes.
The address of OpenSSL's context is read from CPython's object, in which it is the first field. Nothing else
in pylb may depend on the layout of an object. If the library cannot be reached, both functions return False
and change nothing.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl

_SET_TICKET_KEYS = 59
"""SSL_CTRL_SET_TLSEXT_TICKET_KEYS in OpenSSL's ssl.h."""


def share(context: ssl.SSLContext, keys: bytes) -> bool:
    """Make a context encrypt and decrypt its tickets with these keys.

    Args:
        context: the context of a listener.
        keys: 80 secret random bytes: 16 for the name, 32 for the signature, 32 for the encryption.

    Returns:
        Whether the keys are set; False if Python is linked statically with OpenSSL.
    """
    try:
        control = ctypes.CDLL(_ssl.__file__).SSL_CTX_ctrl
    except (AttributeError, OSError):
        return False
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    control.restype = ctypes.c_long
    return bool(control(_pointer(context), _SET_TICKET_KEYS, len(keys), keys))


def bind(context: ssl.SSLContext, conditions: bytes) -> bool:
    """Make a context resume only sessions that began under the same conditions, by ticket or by id.

    Args:
        context: the context of a listener.
        conditions: at most 32 bytes that identify the conditions.

    Returns:
        Whether the conditions are set; see `share`.
    """
    try:
        set_context = ctypes.CDLL(_ssl.__file__).SSL_CTX_set_session_id_context
    except (AttributeError, OSError):
        return False
    set_context.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint)
    set_context.restype = ctypes.c_int
    return bool(set_context(_pointer(context), conditions, len(conditions)))


def _pointer(context: ssl.SSLContext) -> ctypes.c_void_p:
    """Return the address of OpenSSL's context, the field after the header of CPython's object."""
    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
