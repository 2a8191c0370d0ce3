"""The proposed routes: the present ones, with those of a file, of options or of a tag in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pylb.assembly.routes import catalog_rules
from pylb.config import Options
from pylb.errors import UsageError
from pylb.model import Endpoint
from pylb.routes.catalog import Catalog
from pylb.routes.declaration import ServiceDeclaration, declare
from pylb.routes.file import read_file
from pylb.routes.grammar import parse_service
from pylb.routes.merge import merge
from pylb.routes.route import Route

OPTION = "--service"
"""The source of the routes of that option."""


def proposed(
    present: Iterable[ServiceDeclaration],
    *,
    services: Sequence[str] = (),
    files: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> list[ServiceDeclaration]:
    """Return the declarations after the proposed changes.

    Args:
        present: those in force.
        services: as `--service`; if any is given, they replace all routes of that option.
        files: paths of files of routes; each replaces the routes of a file of the same name.
        tags: `SERVICE=TAG`, each a tag that the instances of a service would have in addition.

    Raises:
        UsageError: one of them is invalid.
    """
    declared = list(present)
    try:
        if services:
            declared = _without(declared, lambda route: route.source == OPTION)
            declared += declare([parse_service(text, OPTION) for text in services])
        for path in files:
            name = Path(path).name
            declared = _without(declared, lambda route, name=name: _file_name(route) == name)  # type: ignore[misc]
            declared += [replace(each, order=(1, place)) for place, each in enumerate(_read(path))]
        for tag in tags:
            declared.append(_tagged(tag))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return _merged(declared)


def _merged(declared: Iterable[ServiceDeclaration]) -> list[ServiceDeclaration]:
    """Return one declaration for each service. Its settings are checked where it is applied."""
    services: dict[str, list[ServiceDeclaration]] = {}
    for each in sorted(declared, key=lambda declaration: declaration.order):
        services.setdefault(each.service, []).append(each)
    return [merge(parts, lambda _: None)[0] for parts in services.values()]


def _without(
    declared: Iterable[ServiceDeclaration], gone: Callable[[Route], bool]
) -> list[ServiceDeclaration]:
    kept = (
        replace(each, routes=tuple(route for route in each.routes if not gone(route))) for each in declared
    )
    return [each for each in kept if each.routes]


def _file_name(route: Route) -> str:
    """Return the name of the file that a route comes from, whose source is `PATH, line N`."""
    path, comma, _ = route.source.rpartition(", line ")
    return Path(path).name if comma else ""


def _read(path: str) -> tuple[ServiceDeclaration, ...]:
    try:
        return read_file(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        raise ValueError(f"--routes: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"--routes: {path}: expected UTF-8") from None


def _tagged(text: str) -> ServiceDeclaration:
    service, equals, tag = text.partition("=")
    if not equals or not service or not tag:
        raise ValueError(f"--tag: got {text!r}, expected SERVICE=TAG such as web=urlprefix-/web")
    catalog = Catalog(catalog_rules(Options()))
    catalog.read(service, [Endpoint(service, "0.0.0.0", 1, id="proposed", tags=(tag,))])
    declaration = catalog.declaration(service)
    if declaration is None:
        problems = "; ".join(problem.text for problem in catalog.problems(service))
        raise ValueError(f"--tag: {text!r} declares no route{f': {problems}' if problems else ''}")
    return declaration
