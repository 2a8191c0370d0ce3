import orjson
import pytest

from bench.lib import raw
from bench.lib.figure import Figure


def test_a_file_is_replaced_atomically(tmp_path):
    path = tmp_path / "figures.json"
    raw.write(path, {"cpu": Figure(2, 1, 3)})
    assert orjson.loads(path.read_bytes()) == {"cpu": {"median": 2, "low": 1, "high": 3}}
    with pytest.raises(TypeError):
        raw.write(path, object())
    assert orjson.loads(path.read_bytes())["cpu"]["low"] == 1
    assert list(tmp_path.iterdir()) == [path]
