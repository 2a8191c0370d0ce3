"""What many services on one Consul agent cost, and how soon a change of one reaches its requests.

`python -m bench.services` runs a real Consul server with `--services` services of three instances each on
`--nodes` nodes, and a pylb with one worker that balances all of them. Then `--changes` times an instance of a
service chosen at random is registered, gets a request, turns critical, passing again, and is deregistered. A
client asks for that service all the time. What counts: seconds from the return of the call that changes
something to the first request that is answered accordingly; CPU time of Consul and of pylb, and bytes that
pylb reads, per change and per second without changes; connections to Consul; seconds until all are ready.

`--own N` gives the first N services a blocking query each, in place of pylb's own number; Consul's limit of
connections is raised for it. With `--own` as large as `--services` that is one connection per service.
"""
