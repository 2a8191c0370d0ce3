"""Draws latencies: the share of requests that took longer than a time, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pylb.errors import StartError, UsageError
from pylb.tools.simulate.outcome import Outcome

try:
    from matplotlib.figure import Figure
except ImportError:
    raise StartError("--plot: needs matplotlib; install it with pip install 'pylb[plot]'") from None

INK = "#808890"
"""A colour that is legible on white and on black, because the background is transparent."""


def draw(outcomes: Iterable[Outcome], path: Path) -> None:
    """Draw one curve per outcome.

    Raises:
        UsageError: the file's name does not end in the name of a format.
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for outcome in outcomes:
        # The share above the slowest request is 0, which a logarithmic axis cannot show.
        curve = outcome.latencies.curve()[:-1]
        above = [1 - up_to / outcome.latencies.count for _, up_to in curve]
        axes.plot([1e3 * seconds for seconds, _ in curve], above, label=outcome.policy)
    axes.set(xscale="log", yscale="log", xlabel="milliseconds", ylabel="share of requests that took longer")
    axes.grid(color=INK, alpha=0.3)
    axes.tick_params(which="both", colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.legend(labelcolor=INK, framealpha=0)
    for spine in axes.spines.values():
        spine.set_color(INK)
    try:
        figure.savefig(path, transparent=True)
    except ValueError as error:
        raise UsageError(f"--plot {path}: {error}") from None
