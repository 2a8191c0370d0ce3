"""Routes from labels and locations, compared with the real Traefik and nginx.

`python -m bench.routes` registers the services of `tests/scenarios/routes/compose.yml` with their labels at a
real Consul, starts Traefik with its provider `consulCatalog`, and sends the requests of `traefik.toml` beside
that file. It prints each whose outcome is not what the file expects of Traefik. With `--pylb` it sends them
to pylb with `--catalog` as well. The same for the page
`docs/from-traefik.md`, and with `--nginx` for the page `docs/from-nginx-locations.md` and the real nginx. The
tests in `tests/scenarios/routes`, and `tests/routes/test_migration_pages.py`, expect the same of pylb alone.
"""
