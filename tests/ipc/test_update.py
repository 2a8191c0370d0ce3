import orjson

from pylb.ipc.update import Update
from pylb.model import Endpoint, Excluded, PoolState

WEB = Endpoint("web", "10.0.0.1", 80, id="web-1", tags=("a",), meta=(("k", "v"),))


def test_an_update_is_decoded_unchanged():
    known = PoolState("web", (WEB,), (Excluded(WEB, "critical"),), 7, 5.0, "index 3", "filtered")
    for snapshot, generation in ((known, 7), (None, 0)):
        update = Update("web", 3, {"10.0.0.1:80": 4}, snapshot, "debug")
        assert Update.from_dict(orjson.loads(update.to_bytes())) == update
        assert update.generation == generation
