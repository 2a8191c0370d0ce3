import re
from pathlib import Path

import pylb
from pylb.errors import Fault, Phase, ProxyError
from pylb.observe import counter_layout

COMPUTED = {"RC"}
"""Codes whose fault is a variable in the source. `Environment` checks every code that occurs in its tests."""


def test_every_counter_has_its_own_index():
    single = [
        value
        for name, value in vars(counter_layout).items()
        if name.isupper()
        and isinstance(value, int)
        and name not in ("BUCKETS", "DURATION", "HEAD", "CONNECT", "EVENT", "GRPC", "SLOT_LENGTH")
    ]
    buckets = [
        first + i
        for first in (counter_layout.DURATION, counter_layout.HEAD, counter_layout.CONNECT)
        for i in range(counter_layout.BUCKETS)
    ]
    used = [*range(len(counter_layout.CODES)), *single, *buckets]
    events = [counter_layout.EVENT + place for place in range(len(counter_layout.EVENTS))]
    endings = counter_layout.TERMINATION_INDEX.values()
    codes = [counter_layout.GRPC + code for code in range(len(counter_layout.GRPC_CODES))]
    assert sorted([*used, *events, *endings, *codes]) == list(range(counter_layout.SLOT_LENGTH))


def test_every_termination_code_is_counted():
    made = set()
    for path in Path(pylb.__file__).parent.rglob("*.py"):
        text = path.read_text()
        made |= set(re.findall(r"\bPhase\.([A-Z]+),\s+Fault\.([A-Z_]+)", text))
        lost = re.findall(r"\.lost_error\(Phase\.([A-Z]+)\)", text)
        made |= {(phase, fault) for phase in lost for fault in ("CLIENT", "KILLED")}
    codes = {ProxyError(Phase[phase], Fault[fault], "").code for phase, fault in made}
    assert codes | COMPUTED == set(counter_layout.TERMINATIONS)


def test_every_status_has_its_class():
    by_class = {counter_layout.CODES[counter_layout.CODE_INDEX[status]] for status in range(200, 300)}
    assert by_class == {"2xx"}
    statuses = (101, 204, 304, 404, 498, 499, 500, 599)
    assert [counter_layout.CODES[counter_layout.CODE_INDEX[s]] for s in statuses] == [
        "1xx", "2xx", "3xx", "4xx", "4xx", "499", "5xx", "5xx",
    ]  # fmt: skip
    assert counter_layout.CODES[counter_layout.CODE_INDEX[0]] == "499"


def test_bounds_are_ascending():
    assert list(counter_layout.BOUNDS) == sorted(set(counter_layout.BOUNDS))
