"""What a request costs: CPU time per request, and memory.

`python -m bench.hotpath` compares pylb with other proxies, or with another checkout of pylb (`--before DIR`).
`bench.hotpath.curves`, `.memory`, `.observe` and `.workers` are separate commands.
The CPU time per request is the main figure: it is stable on a busy machine, where throughput and latency are
not. This folder measures a steady state only; failures and changes are measured elsewhere.

Run: the conditions and all samples of one invocation.
Variant: a pylb with other observability options than the default.
Curve: a workload whose cost is measured at several values of one parameter.
Side: one or two pylbs on one port, compared with another side.
"""
