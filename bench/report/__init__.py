"""Makes all measurements of docs/performance.md and writes that page from their figures.

`python -m bench.report` (`make bench-report`) is the command. The page is the template performance.md with
each placeholder replaced by the part of one measurement. The template contains no figure, and this package
measures nothing itself.

Measurement: a command of `bench` with its options and its expected duration.
Record: the stored raw figures of one measurement, in docs/performance/.
Part: the Markdown, the comparisons and the pictures of one measurement.
Comparison: one figure of several proxies.
Bound: a target of pylb relative to other proxies.
Regression: a figure in which another proxy is better by more than the spread of both.
Theme: the colours of a picture for a light or a dark background.
"""
