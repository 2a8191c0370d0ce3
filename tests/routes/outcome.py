"""What becomes of a request with a table, as text: the service with its path, or a status."""

from __future__ import annotations

from pylb.http1.headers import ClientInfo
from pylb.routes.path import normalise
from tests.routes.heads import CLIENT, head


def outcome(routes, line: str, *fields: str, address: str = CLIENT.address) -> str:
    """The outcome of `GET http://host/path`: `web /path`, `404` or `301 https://...`."""
    method, _, url = line.partition(" ")
    scheme, _, rest = url.partition("://")
    host, slash, target = rest.partition("/")
    request = head(slash + target, host, *fields, method=method)
    client = ClientInfo(address, scheme)
    original, mark, query = request.target.partition(b"?")
    path = normalise(original)
    found = routes.match(path, request, client)
    if found is None:
        return "404"
    if found.route.blocked:
        return "503"
    if found.access is not None and not found.access.permits(request, client):
        return "403"
    stripped = b""
    try:
        if found.edit_path is not None:
            path, stripped = found.edit_path(path)
    except ValueError:
        return "400"
    if found.service is None:
        answer = found.answer(request, path, stripped)
        return f"{answer.status} {answer.location.decode()}".strip()
    return f"{found.route.service} {(path + mark + query).decode()}"
