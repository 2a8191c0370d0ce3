"""The cost of many services on one Consul agent, and the delay until a change affects requests.

`python -m bench.change.services` runs a real Consul server with `--services` services of three instances
each on `--nodes` nodes, and a pylb that balances all of them. `--changes` times, it
registers an instance of a random service, makes its check critical and passing again, and deregisters it,
while a client sends requests for that service.

It measures the time from the end of the call that changes the registry to the first request that follows the
change; the CPU time of Consul and pylb and the bytes that pylb reads, per change and per second without
changes; the number of connections to Consul; and the time until all services are ready.

`--own N` gives the first N services a blocking query each, instead of pylb's default number, and raises
Consul's limit of connections. With `--own` as large as `--services`, every service has its own connection.
"""
