"""Pictures as SVG. Equal figures produce equal bytes: the SVG contains no dates and no random names.

matplotlib takes half a second to import. It is imported when a picture is drawn, because all tests of
`bench` import this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any

from bench.lib.figure import Figure
from bench.report.theme import Theme

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pylb",
    "font.family": "sans-serif",
    "font.size": 10,
}
"""Text is stored as text and displayed in the font of the reader."""
MARKERS = "osD^vPX*"
"""Markers distinguish the lines without colours."""


def bars(figures: Mapping[str, Figure], unit: str, theme: Theme, *, logarithmic: bool = False) -> bytes:
    """A horizontal bar per proxy, the lowest at the top, with the range of its rounds."""
    ordered = sorted(figures.items(), key=lambda item: item[1].median, reverse=True)
    with _style():
        sheet, axes = _sheet(theme, 0.42 * len(ordered) + 0.9)
        for name, figure in ordered:
            axes.barh(name, figure.median, color=theme.peers[name], height=0.6)
            range_ = [[figure.median - figure.low], [figure.high - figure.median]]
            axes.errorbar(figure.median, name, xerr=range_, color=theme.ink, capsize=3, linewidth=1)
        axes.set_xlabel(unit, color=theme.ink)
        axes.set_xscale("log" if logarithmic else "linear")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.grid(axis="x", color=theme.ink, alpha=0.25)
        axes.set_axisbelow(True)
        return _svg(sheet)


def curves(figures: Mapping[str, Mapping[int, Figure]], along: str, unit: str, theme: Theme) -> bytes:
    """A line per proxy, with the range of the rounds at each point.

    Args:
        figures: figures by proxy and position on the horizontal axis.
        along: label of the logarithmic horizontal axis.
        unit: label of the vertical axis, which starts at 0.
        theme: the colours.
    """
    with _style():
        sheet, axes = _sheet(theme, 4.0)
        for marker, (name, points) in zip(MARKERS, figures.items(), strict=False):
            medians = [point.median for point in points.values()]
            below = [point.median - point.low for point in points.values()]
            above = [point.high - point.median for point in points.values()]
            axes.errorbar(
                list(points),
                medians,
                yerr=[below, above],
                label=name,
                color=theme.peers[name],
                marker=marker,
                markersize=5,
                capsize=2,
                linewidth=2.4 if name == "pylb" else 1.2,
            )
        places = sorted({place for points in figures.values() for place in points})
        axes.set_xscale("log")
        axes.set_xticks(places, [f"{place:,}" for place in places])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel(along, color=theme.ink)
        axes.set_ylabel(unit, color=theme.ink)
        axes.grid(color=theme.ink, alpha=0.25)
        axes.legend(labelcolor=theme.ink, framealpha=0, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
        return _svg(sheet)


def _style() -> AbstractContextManager[None]:
    import matplotlib as mpl  # noqa: PLC0415 - see above

    context: AbstractContextManager[None] = mpl.rc_context(STYLE)
    return context


def _sheet(theme: Theme, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure as Sheet  # noqa: PLC0415 - see above

    sheet = Sheet(figsize=(8, height), layout="constrained")
    axes = sheet.add_subplot()
    axes.tick_params(which="both", colors=theme.ink)
    for spine in axes.spines.values():
        spine.set_color(theme.ink)
        spine.set_alpha(0.5)
    return sheet, axes


def _svg(sheet: Any) -> bytes:
    drawn = BytesIO()
    sheet.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return drawn.getvalue()
