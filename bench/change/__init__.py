"""How fast a change reaches the traffic, and what it costs: pylb next to its rivals.

`python -m bench.change` runs a real Consul, some instances, a proxy before them that follows the registry,
and a constant load: so many clients, each with one request under way. In each of `--rounds` each proxy has
its turn, and is started afresh for it. Again and again a further instance is registered and deregistered.
What counts: time from the return of the registering call to the first request at the new instance, time from
the return of the deregistering call to the last one, changes that never reached the traffic, requests that
failed, client connections that were closed, p99 with and without changes.

By default each change waits until the one before it is in the traffic, however long that takes. With
`--rate N` there are N changes per second, whether the proxy keeps up or not, and what a change costs is
measured, too: the CPU time of the proxy and all that belongs to it (`consul watch`, what that runs, workers
that end) while instances come and go at that rate *without any load*, less what it takes when nothing
happens, divided by the number of changes. Nothing else keeps the proxy busy then, so that the difference is
the changes' own; what they cost beside that, connections that must be opened again, shows in p99.

What becomes of an instance that has left is `--gone answer`: it goes on answering, so that nobody pays for
being late. With `--gone stop` it closes its connections and its port `--notice` seconds after it was
deregistered, as a service does that is told to stop then. That moment is what deployments differ in: Nomad's
`shutdown_delay` is such a notice and 0 unless it is set, registrator deregisters when the container has
already ended. The default, 0.1 s, gives who watches the registry a chance, and takes it from who polls it.
"""
