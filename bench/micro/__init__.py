"""Micro-benchmarks of single steps of the hot path, with pytest-benchmark.

Run them with `pytest bench/micro --benchmark-columns=min,median`. `make bench-compare` compares them with
the stored baseline. They measure functions only, without an event loop and without the kernel.

Step: one function call on the hot path.
Baseline: the stored times of one machine, in baseline/.
"""
