"""What proxies keep in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.lib.figure import Comparison, Figure
from bench.report.part import Part, table

KIB = 1024
MIB = 1024 * KIB


def part(result: Mapping[str, Any]) -> Part:
    """From what `bench.hotpath.memory` wrote."""
    settings, footprints = result["settings"], result["footprints"]
    kinds = (
        ("rest", "at rest, MiB", MIB),
        ("connection", f"each of {settings['connections']:,} idle connections, KiB", KIB),
        ("download", f"while {settings['MiB']:,} MiB come down, MiB more", MIB),
        ("upload", f"while {settings['MiB']:,} MiB go up, MiB more", MIB),
    )
    comparisons = [
        Comparison(
            about,
            {peer: Figure.of(each[kind] / unit for each in rounds) for peer, rounds in footprints.items()},
        )
        for kind, about, unit in kinds
    ]
    made = Part(comparisons=[Comparison(f"Memory {each.what}", each.figures) for each in comparisons])
    made.add(
        table(
            ["", *footprints],
            [[each.what, *each.figures.values()] for each in comparisons],
        )
    )
    return made
