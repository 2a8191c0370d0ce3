"""Builds the access rules of the admin port from options."""

from __future__ import annotations

from pylb.admin.access import Access, is_loopback, read_token
from pylb.config import Options


def access(options: Options) -> Access:
    """The access rules of the admin port."""
    host = options.admin.host if options.admin else ""
    token = read_token(options.admin_token, options.admin_token_file)
    return Access(loopback=is_loopback(host), token=token)
