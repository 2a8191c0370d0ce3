"""What failures of backends, of the registry and of processes cost the clients of pylb and its rivals.

`python -m bench.failure` starts a real Consul, three backends in separate processes, and a proxy that
takes its backends from Consul. Checking clients send requests without pause. Then one fault is injected:

- `killed`: one backend is ended with SIGKILL; the registry still reports it as passing.
- `hung`: one backend is stopped with SIGSTOP: the kernel accepts its connections, but nothing answers.
- `registry`: Consul is ended with SIGKILL and restarted empty after `--outage` seconds; one second later
  the instances are registered again. No backend fails.

The figures cover the time from the fault on: failed requests (bad status, refused, reset or closed early,
no response within `--timeout`), slow requests, the time of the last of both, and closed client connections.
Each fault has its own duration of observation (faults.py), which `--seconds` overrides. Each round restarts
everything.

Each rival is measured with its defaults (as in `bench.change`), and as `...-tuned` with the settings that
its documentation recommends against such failures; bench/lib/peers/*tuned* cite the pages. pylb has its
defaults. Envoy does not read Consul by itself, so its backends are static.

`python -m bench.failure.processes` kills and replaces pylb's own processes. `python -m
bench.failure.slow_clients` runs attacks by slow clients.

Fault: something that is broken on purpose, and how long its effects are observed.
Outcome: what the clients of one proxy observed in one round.
Recovery: the time from the fault to the last request that failed or was slow.
Environment: the registry and the backends of one round.
"""
