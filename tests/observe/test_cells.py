import re
from pathlib import Path

import pylb
from pylb.errors import Fault, Phase, ProxyError
from pylb.observe import cells


def test_no_two_counters_share_a_cell():
    single = [
        value
        for name, value in vars(cells).items()
        if name.isupper()
        and isinstance(value, int)
        and name not in ("BUCKETS", "DURATION", "HEAD", "CONNECT", "EVENT", "CELLS")
    ]
    buckets = [
        first + i for first in (cells.DURATION, cells.HEAD, cells.CONNECT) for i in range(cells.BUCKETS)
    ]
    used = [*range(len(cells.CODES)), *single, *buckets]
    events = [cells.EVENT + place for place in range(len(cells.EVENTS))]
    endings = cells.TERMINATION_CELL.values()
    assert sorted([*used, *events, *endings]) == list(range(cells.CELLS))


def test_every_way_to_fail_that_the_code_knows_is_counted():
    made = set()
    for path in Path(pylb.__file__).parent.rglob("*.py"):
        text = path.read_text()
        made |= set(re.findall(r"\bPhase\.([A-Z]+),\s+Fault\.([A-Z_]+)", text))
        lost = re.findall(r"\.lost_error\(Phase\.([A-Z]+)\)", text)
        made |= {(phase, fault) for phase in lost for fault in ("CLIENT", "KILLED")}
    codes = {ProxyError(Phase[phase], Fault[fault], "").code for phase, fault in made}
    assert codes == set(cells.TERMINATIONS)


def test_every_status_has_its_class():
    by_class = {cells.CODES[cells.CODE_CELL[status]] for status in range(200, 300)}
    assert by_class == {"2xx"}
    assert [cells.CODES[cells.CODE_CELL[s]] for s in (101, 204, 304, 404, 498, 499, 500, 599)] == [
        "1xx", "2xx", "3xx", "4xx", "4xx", "499", "5xx", "5xx",
    ]  # fmt: skip
    assert cells.CODES[cells.CODE_CELL[0]] == "499"


def test_bounds_grow():
    assert list(cells.BOUNDS) == sorted(set(cells.BOUNDS))
