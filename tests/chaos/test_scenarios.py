import pytest

from tests.chaos.scenarios import SCENARIOS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_the_promise_is_kept(name, tmp_path):
    row = await SCENARIOS[name](tmp_path)
    assert row.sent >= 300
