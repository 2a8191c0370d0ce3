import pytest

from tests.chaos.soak import soak

pytestmark = pytest.mark.slow


async def test_random_faults_cause_no_leak_and_no_unexplained_loss():
    assert await soak(minutes=0.2, seed=7)
