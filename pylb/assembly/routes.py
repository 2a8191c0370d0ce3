"""Reads the routes that options declare, and checks those in files."""

from __future__ import annotations

from itertools import chain

from pylb.config import Options
from pylb.config.fixed_backends import parse_backends
from pylb.config.routing import CONSUL_PREFIX
from pylb.config.settings import canonical, denial_reason, of_pool, same_value, unknown_reason, with_settings
from pylb.discovery.routes.file import RouteFile
from pylb.errors import UsageError
from pylb.routes.bounds import read_bounds
from pylb.routes.catalog import Rules
from pylb.routes.declaration import ServiceDeclaration, declare
from pylb.routes.file import Check
from pylb.routes.grammar import parse_service
from pylb.routes.resolve import Entry, resolve

FILE_RANK = 1
"""The rank of files among the sources of routes; see `ServiceDeclaration.order`."""


def declarations(options: Options) -> tuple[ServiceDeclaration, ...]:
    """Return the services of `--service`. Without any, `--static` is one service that receives all requests.

    Raises:
        UsageError: a route or a setting is invalid, or two of them contradict each other.
    """
    texts = options.service or (() if options.catalog or options.routes else ("static",))
    try:
        declared = declare([parse_service(text, "--service") for text in texts])
        for each in declared:
            _check_settings(each, options)
    except ValueError as error:
        raise UsageError(f"--service: {error}") from None
    entries = [Entry(age, route, None) for each in declared for age, route in each.aged()]
    for _, problem in resolve(entries)[1]:
        if problem.excluded:
            raise UsageError(f"--service: {problem.text}, expected one")
    return declared


def _check_settings(declaration: ServiceDeclaration, options: Options) -> None:
    """Check the settings of all routes of a service.

    Raises:
        ValueError: one is invalid, or two routes have different ones for the pool that they share.
    """
    of_service: dict[str, str] = {}
    for route in declaration.routes:
        with_settings(options, route.settings)
        for given, value in route.settings:
            name = canonical(given)
            if of_pool(name) and not same_value(name, of_service.setdefault(name, value), value):
                both = f"{of_service[name]!r} and {value!r}"
                raise ValueError(f"{name} of {declaration.service} is {both}, expected one value")
    with_settings(options, tuple(of_service.items()))


def check_of(options: Options) -> Check:
    """Return the function that checks a setting, or the fixed backends of a service.

    It raises ValueError with a message of one line.
    """

    def check(name: str, value: str) -> None:
        if name != "backends":
            with_settings(options, ((name, value),))
            return
        try:
            parse_backends("", value)
        except ValueError as error:
            raise ValueError(f"backends: {error}") from None

    return check


def prefixes(options: Options) -> list[str]:
    """Return the prefixes of keys in Consul that have routes."""
    return [each.removeprefix(CONSUL_PREFIX) for each in options.routes if each.startswith(CONSUL_PREFIX)]


def route_files(options: Options) -> list[RouteFile]:
    """Return the files of routes."""
    paths = [each for each in options.routes if not each.startswith(CONSUL_PREFIX)]
    check = check_of(options)
    return [RouteFile(path, (FILE_RANK, place), check) for place, path in enumerate(paths)]


def catalog_rules(options: Options) -> Rules:
    """Return how the declarations of the catalog are read.

    Raises:
        UsageError: a bound is invalid.
    """
    try:
        bounds = tuple(chain.from_iterable(read_bounds(each) for each in options.catalog_allow))
    except ValueError as error:
        raise UsageError(f"--catalog-allow: got {error}") from None
    return Rules(
        bounds=bounds,
        unprotected=frozenset(options.serve_unprotected),
        tag_prefix=options.tag_prefix or "",
        datacenter=options.datacenter or "",
        denied=denial_reason,
        unknown=unknown_reason,
    )


def check_routes(options: Options) -> None:
    """Check everything that the options declare, before pylb starts or reloads.

    Raises:
        UsageError: a route, a setting, a bound or a file is invalid; the message is one line.
    """
    declarations(options)
    catalog_rules(options)
    for file in route_files(options):
        for problem in file.read().problems:
            raise UsageError(f"--routes: {problem.text}")
