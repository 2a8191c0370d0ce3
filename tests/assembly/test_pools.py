import pytest

from pylb.assembly.pools import make_pool
from pylb.config import Options
from pylb.config.backends import PoolOptions
from pylb.policy.pool import Pool
from pylb.policy.shared import SharedPool


@pytest.mark.parametrize("kind", [Pool, SharedPool])
def test_a_pool_has_the_options(kind):
    pool = make_pool(kind, "web", Options(policy="random", eject_failures=3, panic="fail"))
    assert type(pool) is kind
    assert (pool.service, pool.policy) == ("web", "random")
    assert pool._options == PoolOptions(policy="random", eject_failures=3, panic="fail")
