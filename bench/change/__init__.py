"""How fast a change in the registry reaches the traffic, and what a change costs, for pylb and its rivals.

`python -m bench.change` runs a real Consul, permanent instances, a proxy that takes its backends from
Consul, and a constant load: a fixed number of clients, each with one request in progress. Each proxy is
restarted for each of its `--rounds`. During a round, further instances are registered and deregistered. The
figures are:

- the time from the return of the registering call to the first request to the new instance
- the time from the return of the deregistering call to the last request
- changes that never reached the traffic
- failed requests, and client connections that were closed
- the p99 with and without changes

By default each change waits until the previous one has reached the traffic, however long that takes. With
`--rate N` there are N changes per second, whether or not the proxy keeps up. Then the CPU cost of a change
is measured too: the CPU time of the proxy and all its processes (`consul watch`, what it runs, workers that
end) while instances are registered and deregistered at that rate without load, minus the CPU time while
nothing changes, divided by the number of changes. Without load, the difference is due to the changes alone.
Their cost under load, such as connections that must be opened again, appears in the p99.

`--gone` selects what an instance does after its deregistration. With `answer`, the default, it continues to
answer, so a late proxy loses nothing. With `stop` it closes its port and its connections `--notice` seconds
after its deregistration, as a service does on SIGTERM. This delay differs between deployments: Nomad's
`shutdown_delay` is such a delay, and 0 by default; registrator deregisters a container after it has
stopped. The default of 0.1 s is long enough for a proxy that watches the registry, and too short for one
that polls it.

This package measures a working registry and working instances only; `bench.failure` measures failures.

Change: a registration or a deregistration.
Cost: CPU time per change, without load.
Settings: the options of one run.
Environment: the registry and the permanent instances, shared by all proxies of a run.

`services/` measures the same for pylb alone, with hundreds of services: `python -m bench.change.services`.
"""
