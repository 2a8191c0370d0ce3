"""Measurements of pylb beside other proxies: the same work, on the same machine, in the same run.

Each command starts everything that it measures on free ports of 127.0.0.1, ends it again, and prints a table.
`--json FILE` also writes the raw figures. Rules for all commands:

- All proxies take turns in every round, so that noise of the machine affects all of them alike.
- A ratio compares two figures of the same round. A figure is the median of the rounds.
- The proxy has a separate CPU core. The load and the origins run on the other cores.
- pylb runs with its defaults. The other proxies are configured as their documentation recommends.
- Nothing in `pylb` imports `bench`.

The folders:

hotpath: CPU time and memory per request and per connection.
balance: how evenly a policy distributes requests, and whether the simulator predicts it.
change: time from a change in the registry to the traffic, and the cost of a change.
failure: what clients lose when a backend, the registry, or a process of pylb fails.
load: a load test with Locust while instances are registered and deregistered.
report: makes all measurements of docs/performance.md and writes that page.
micro: benchmarks of single functions with pytest-benchmark.
lib: what several of these folders use.

The terms:

Peer: a proxy that is measured, pylb included.
Rival: a peer other than pylb.
Origin: a server behind the proxies that answers the requests.
Workload: one kind of request, sent by a fixed number of clients.
Round: one measurement of each peer, in turn.
Sample: the figures of one peer in one round.
Figure: the median of the rounds, with the lowest and the highest.
Verdict: figures of one command with the bounds that they must keep.
"""
