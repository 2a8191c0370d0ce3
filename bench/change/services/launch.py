"""`python launch.py OWN ARGUMENT...`: pylb with a separate query for each of OWN services."""

from __future__ import annotations

import sys

from pylb import cli
from pylb.discovery.sources.consul import feed as consul_feed

OWN = int(sys.argv[1])

if OWN >= 0:
    consul_feed.CONNECTIONS += OWN - consul_feed.OWN_QUERIES
    consul_feed.OWN_QUERIES = OWN
sys.exit(cli.main(sys.argv[2:]))
