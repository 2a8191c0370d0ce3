"""Who may change something on the admin port, as the options say."""

from __future__ import annotations

from pylb.admin.access import Access, is_loopback, read_token
from pylb.config import Options


def access(options: Options) -> Access:
    """Who may do what on the admin port."""
    host = options.admin.host if options.admin else ""
    token = read_token(options.admin_token, options.admin_token_file)
    return Access(loopback=is_loopback(host), token=token)
