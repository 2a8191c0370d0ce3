"""Every decision: which pool, which backend, whether to try again. No I/O; `now` is an argument."""
