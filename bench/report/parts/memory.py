"""The memory of proxies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.lib.figure import Comparison, Figure
from bench.report.part import Part, table

KIB = 1024
MIB = 1024 * KIB


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.hotpath.memory` wrote."""
    settings, footprints = result["settings"], result["footprints"]
    kinds = (
        ("rest", "at rest, MiB", MIB),
        ("connection", f"per idle connection ({settings['connections']:,} of them), KiB", KIB),
        ("download", f"growth during a response of {settings['MiB']:,} MiB, MiB", MIB),
        ("upload", f"growth during a request body of {settings['MiB']:,} MiB, MiB", MIB),
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
