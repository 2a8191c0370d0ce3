"""`python launch.py ARGUMENT...`: pylb with a separate query for each of so many services.

The number is in the environment, because the supervisor starts each process of pylb with this file and with
other arguments; a negative number leaves pylb as it is.
"""

from __future__ import annotations

import os
import sys

from pylb import cli
from pylb.discovery.sources.consul import feed as consul_feed

OWN = int(os.environ["BENCH_OWN_QUERIES"])

if OWN >= 0:
    consul_feed.CONNECTIONS += OWN - consul_feed.OWN_QUERIES
    consul_feed.OWN_QUERIES = OWN
sys.exit(cli.main())
