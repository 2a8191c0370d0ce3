"""Routes from labels, compared with the real Traefik.

`python -m bench.routes` registers the services of `tests/scenarios/routes/compose.yml` with their labels at a
real Consul, starts Traefik with its provider `consulCatalog`, and sends the requests of `traefik.toml` beside
that file. It prints each whose outcome is not what the file expects of Traefik. With `--pylb` it sends them
to pylb with `--catalog` as well. `tests/scenarios/routes` expects the same of pylb, without Traefik.
"""
