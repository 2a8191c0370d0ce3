import pytest

from tests.chaos.soak import soak

pytestmark = pytest.mark.slow


async def test_nothing_grows_and_nothing_is_lost_without_a_reason():
    assert await soak(minutes=0.2, seed=7)
