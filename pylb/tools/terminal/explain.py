"""`pylb explain GET /path -H 'host: x'`: the backend that a request would be sent to, and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any, ClassVar

from rich.console import Console
from rich.table import Table

from pylb.clients import admin
from pylb.config.kinds import text
from pylb.config.option import option, repeated
from pylb.errors import UsageError
from pylb.tools.terminal.options import Running
from pylb.tools.terminal.words import number, plain


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(Running):
    """The options of `pylb explain`."""

    title: ClassVar = "The request"
    prefix: ClassVar = "PYLB_EXPLAIN_"

    method: str = option(text("METHOD", "a method"), "GET", "The method of the request.")
    target: str = option(
        text("TARGET", "a path such as /cart?id=1"), "/", "The path and query of the request."
    )
    header: tuple[str, ...] = repeated(
        text("NAME:VALUE", "a header field such as host: shop.example"),
        None,
        "A header field of the request, also as -H.",
    )

    @property
    def host(self) -> str:
        """The Host field; empty if there is none."""
        fields = (field.partition(":") for field in self.header)
        return next((value.strip() for name, _, value in fields if name.strip().lower() == "host"), "")

    @property
    def others(self) -> tuple[str, ...]:
        """The other header fields."""
        return tuple(field for field in self.header if field.partition(":")[0].strip().lower() != "host")


def spelled_out(arguments: list[str]) -> list[str]:
    """Convert `GET /path -H 'host: x'` to options.

    Raises:
        UsageError: there are more words than a method and a path.
    """
    words = list(takewhile(lambda word: not word.startswith("-"), arguments))
    if len(words) > 2:
        raise UsageError(f"got {words[2]!r}, expected METHOD PATH and then options such as -H 'host: x'")
    named = zip(("--method", "--target")[-len(words) :] if words else (), words, strict=True)
    rest = ["--header" if word == "-H" else word for word in arguments[len(words) :]]
    return [part for pair in named for part in pair] + rest


def run(options: ExplainOptions) -> int:
    """Print the explanation. Returns 1 if no backend would receive the request.

    Raises:
        StartError: no pylb responds.
    """
    result = admin.read(
        options.admin,
        "/api/explain",
        host=options.host,
        target=options.target,
        method=options.method,
        header=options.others,
    )
    console = Console()
    request = f"{options.method} {options.target}{f' for {options.host}' if options.host else ''}"
    console.print(plain(f"{request}: service {result['service'] or '-'}, {result['why']}"))
    if len(result["routes"]) > 1:
        console.print(routes(result))
    if forwarded := changes(result, options.target):
        console.print(plain(f"the backend receives: {forwarded}"))
    if declared := settings(result):
        console.print(plain(f"settings: {declared}"))
    if result["candidates"] or result["excluded"]:
        console.print(table(result))
    return 0 if result["winner"] else 1


def changes(result: dict[str, Any], target: str) -> str:
    """The request as the backend receives it, as far as the route changes it; empty if it does not."""
    if "target" in result and result["target"] is None:
        return "nothing, since the path is invalid after the changes of the route; pylb answers with 400"
    new = result.get("target", target)
    return ", ".join(([new] if new != target else []) + result.get("changes", []))


def settings(result: dict[str, Any]) -> str:
    """The settings of the request that differ from the defaults, each with where it is declared."""
    declared = (each for each in result.get("settings", ()) if each["origin"] != "default")
    return ", ".join(f"{each['name']} {each['value']} ({each['origin']})" for each in declared)


def routes(result: dict[str, Any]) -> Table:
    """The routes whose host and path match, in the order of precedence."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "Route", "Why"):
        made.add_column(name)
    for each in result["routes"]:
        made.add_row("→" if each["wins"] else "", plain(each["route"]), plain(each["why"]))
    return made


def table(result: dict[str, Any]) -> Table:
    """All instances: the choice, the other candidates, and the excluded ones with their reasons."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column("")
    for name in ("Instance", "Address", "Protocol"):
        made.add_column(name, no_wrap=True)
    for name in ("Weight", "In flight", "Load"):
        made.add_column(name, justify="right")
    made.add_column("Why not")
    for each in result["candidates"]:
        numbers = map(number, (each["weight"], each["in_flight"], each["load"]))
        made.add_row(
            "→" if each["wins"] else "",
            plain(each["id"]),
            plain(each["address"]),
            each["protocol"],
            *numbers,
            "",
        )
    for each in result["excluded"]:
        values = (plain(each["id"]), plain(each["address"]), "", "", "", "", plain(each["reason"]))
        made.add_row("", *values, style="dim")
    return made
