"""Fuzzes the HTTP/2 layer with mutated blocks: `python -m tests.fuzz.http2 --executions 1000000`.

An execution is a connection with up to eight header blocks, or a frame. An encoder makes the blocks of few
requests with mutated fields, so that most blocks are valid and a memo is used; then some are sent again or
mutated. Every execution checks `tests.http2.invariants`; blocks that break them are printed as a Python
literal, and the exit status is 1.
"""

import random
import sys
import time
import traceback

from tests.fuzz import command
from tests.fuzz.http1 import mutant
from tests.http2.encoders import ENCODERS
from tests.http2.invariants import Connection, check_headers, check_settings

_START = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/p")]
FIELDS = [
    [*_START, (b"accept", b"*/*"), (b"cookie", b"c=d"), (b"cookie", b"e=f")],
    [(b":method", b"POST"), *_START[1:3], (b":path", b"/"), (b"te", b"trailers"), (b"grpc-timeout", b"1S")],
    [(b":method", b"PUT"), *_START[1:], (b"content-length", b"5"), (b"x-a", b"b"), (b"x-a", b"b")],
    [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *_START[1:], (b"sec-websocket-version", b"13")],
    [(b":method", b"GET"), (b":path", b"/q?x"), (b":scheme", b"http"), (b"host", b"b:80")],
    [(b"grpc-status", b"0"), (b"grpc-message", b"ok"), (b"content-length", b"5")],
]
"""Requests, and trailers."""
OFTEN_CHANGED = (b":path", b":path", b"grpc-timeout")
SETTINGS = bytes.fromhex("000300000064 000400100000 000500004000 000800000001")
TABLE_SIZES = (4096, 4096, 200, 0)
MOST_BLOCKS = 8


def check(blocks, choices):
    """Return descriptions of the results on one connection.

    Args:
        blocks: the header blocks in their order.
        choices: for the connection and for each block, a number that selects how it is used.
    """
    connection = Connection(TABLE_SIZES[choices[0] % len(TABLE_SIZES)])
    ends = set()
    for block, choice in zip(blocks, choices[1:], strict=False):
        if choice % 32 == 31:
            connection.settings_acknowledged()
        if choice % 16 == 0:
            end = connection.trailers(block)
        else:
            end = connection.head(block, end_stream=choice % 4 != 0)
        ends.add(end)
        if not end:
            break
    return ends


def check_frame(payload, choices):
    """Return the description of a SETTINGS frame, or of a header block that is cut into frames."""
    if choices[0] % 2:
        return {check_settings(payload)}
    return {check_headers(payload, max_frame=1 + choices[1] % 40, end_stream=choices[0] % 4 == 0)}


def by_mutation(executions, seed, say):
    """Check this number of mutants; return whether none broke an invariant."""
    chance = random.Random(seed)
    ends = set()
    began = reported = time.monotonic()
    for count in range(1, executions + 1):
        choices = chance.choices(range(256), k=MOST_BLOCKS + 1)
        frame = count % 8 == 0
        if frame:
            blocks = [mutant(SETTINGS, SETTINGS, chance)]
        else:
            blocks = sequence(chance, TABLE_SIZES[choices[0] % len(TABLE_SIZES)])
        try:
            found = check_frame(blocks[0], choices) if frame else check(blocks, choices)
        except Exception:
            say(f"{traceback.format_exc()}\nchoices {choices}: {blocks!r}\n")
            return False
        ends |= found
        if count == executions or (count % 10_000 == 0 and time.monotonic() > reported + 10):
            reported = time.monotonic()
            rate = count / (reported - began)
            say(f"{count:,} executions, {rate:,.0f} a second, {len(ends)} different ends, none wrong\n")
    return True


def sequence(chance, table_size):
    """The blocks of a client with few requests."""
    client = chance.choice([*ENCODERS.values()])()
    client.header_table_size = table_size
    known = [
        changed(fields, chance) if chance.random() < 0.3 else fields for fields in chance.choices(FIELDS, k=2)
    ]
    blocks = []
    for _ in range(chance.randint(1, MOST_BLOCKS)):
        how = chance.random()
        if blocks and how < 0.15:
            block = chance.choice(blocks)
        else:
            fields = chance.choice(known)
            if how < 0.6:
                fields = changed(fields, chance, chance.choice(OFTEN_CHANGED))
            elif how < 0.7:
                fields = changed(fields, chance)
            block = client.encode(fields, huffman=chance.random() < 0.3)
        if chance.random() < 0.07:
            block = mutant(block, chance.choice(blocks or [block]), chance)
        blocks.append(block)
    return blocks


def changed(fields, chance, name=None):
    """The fields with another value of one of them, or else with a change to their order or their names."""
    fields = list(fields)
    at = next((at for at, field in enumerate(fields) if field[0] == name), int(chance.random() * len(fields)))
    how = chance.random()
    if name or how < 0.5:
        fields[at] = fields[at][0], mutant(fields[at][1], fields[at - 1][1], chance)
    elif how < 0.7:
        fields[at] = mutant(fields[at][0], fields[at - 1][0], chance), fields[at][1]
    elif how < 0.85:
        fields.insert(int(chance.random() * len(fields)), fields[at])
    else:
        fields.insert(int(chance.random() * len(fields)), fields.pop(at))
    return fields


def main():
    return command.run(command.parser("tests.fuzz.http2", __doc__).parse_args(), by_mutation)


if __name__ == "__main__":
    sys.exit(main())
