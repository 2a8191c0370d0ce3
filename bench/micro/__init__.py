"""Micro-benchmarks: single steps of the hot path. `pytest bench/micro --benchmark-columns=min,median`."""
