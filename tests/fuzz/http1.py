"""Fuzzes the HTTP/1 layer with mutated messages: `python -m tests.fuzz.http1 --executions 1000000`.

The seeds are the wire cases. A mutant that comes to an end not seen before becomes a seed itself, so the
search goes where there is something to find. Every execution checks `tests.http1.invariants`; a message that
breaks them is printed as a Python literal, ready to become a wire case, and the exit status is 1.

`--engine atheris` lets libFuzzer make the mutants, guided by the branches that they take; it needs the
package atheris, and reports in its own way.
"""

import random
import sys
import time
import traceback

from tests.fuzz import command
from tests.http1.corpus import cases
from tests.http1.invariants import check_request, check_response

WORDS = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"5", b"_", b"-",
    b"*", b"\x0b", b"\x7f", b"\xff", b"#", b"\r\n ", b"\r\nHost: a", b"\r\nContent-Length: 5",
    b"\r\ncontent-length:5", b"\r\nTransfer-Encoding: chunked", b"\r\nConnection: ", b"keep-alive",
    b"close", b"upgrade", b"OPTIONS", b"\r\nUpgrade: websocket", b"\r\nTE: trailers",
    b"\r\nExpect: 100-continue", b"\r\nX-Forwarded-For: 1", b"\r\nx_real_ip: 1", b"\r\nTrailer: x",
    b"\r\nProxy: x", b"HTTP/1.0", b"HTTP/1.1", b"http://a/", b"[::1]", b"0\r\n\r\n", b"5\r\nhello\r\n",
    b"204", b"101",
]  # fmt: skip
KINDS = ("requests", "responses")
MOST_SEEDS = 5000


def seeds(kind, verdict):
    return [case.wire for case in cases(kind, verdict)]


def mutant(seed, other, chance):
    """`seed` with pieces replaced: by a word, a byte, nothing, themselves twice, a piece of `other`."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        start = int(chance.random() * (len(seed) + 1))
        end = start + chance.choice((0, 0, 1, 1, 2, 4, 8, 20))
        begin = int(chance.random() * (len(other) + 1))
        how = chance.random()
        if how < 0.3:
            piece = chance.choice(WORDS)
        elif how < 0.5:
            piece = bytes([begin % 256])
        elif how < 0.65:
            piece = b""
        elif how < 0.8:
            piece = seed[start:end] * 2
        else:
            piece = other[begin : begin + 2 * (end - start)]
        seed = seed[:start] + piece + seed[end:]
    return seed


def check(kind, message, cut):
    """Return a description of the result. Half of the requests come from a trusted peer."""
    if kind == "requests":
        return check_request(message, cut, trusted=cut % 2 == 1)
    return check_response(message, cut)


def by_mutation(executions, seed, say):
    """Check this number of mutants; return whether none broke an invariant."""
    chance = random.Random(seed)
    pools = {kind: seeds(kind, "valid") for kind in KINDS}
    donors = {kind: pool + seeds(kind, "invalid") for kind, pool in pools.items()}
    ends = {(kind, check(kind, message, 0)) for kind in KINDS for message in donors[kind]}
    began = reported = time.monotonic()
    for count in range(1, executions + 1):
        kind = "requests" if count % 3 else "responses"
        pool = pools[kind]
        message = mutant(chance.choice(pool), chance.choice(donors[kind]), chance)
        cut = int(chance.random() * 100)
        try:
            end = kind, check(kind, message, cut)
        except Exception:
            say(f"{traceback.format_exc()}\n{kind}, cut at {cut}: {message!r}\n")
            return False
        if end not in ends and len(pool) < MOST_SEEDS:
            ends.add(end)
            pool.append(message)
        if count == executions or (count % 10_000 == 0 and time.monotonic() > reported + 10):
            reported = time.monotonic()
            rate = count / (reported - began)
            say(f"{count:,} executions, {rate:,.0f} a second, {len(ends)} different ends, none wrong\n")
    return True


def by_atheris(executions, seed):
    """Run libFuzzer, which ends the process."""
    import tempfile
    from pathlib import Path

    import atheris

    def judge_one(data):
        check(KINDS[data[:1] > b"\x7f"], data[2:], int.from_bytes(data[1:2]))

    corpus = Path(tempfile.mkdtemp())
    for kind, first in zip(KINDS, (b"\0\0", b"\xff\0"), strict=True):
        for number, message in enumerate(seeds(kind, "valid") + seeds(kind, "invalid")):
            (corpus / f"{kind}-{number}").write_bytes(first + message)
    atheris.instrument_all()
    arguments = [sys.argv[0], f"-runs={executions}", f"-seed={seed or 1}", "-max_len=4096", str(corpus)]
    atheris.Setup(arguments, judge_one)
    atheris.Fuzz()


def main():
    options = command.parser("tests.fuzz.http1", __doc__)
    options.add_argument("--engine", choices=["mutation", "atheris"], default="mutation")
    chosen = options.parse_args()
    if chosen.engine == "atheris":
        by_atheris(chosen.executions, chosen.seed)
    return command.run(chosen, by_mutation)


if __name__ == "__main__":
    sys.exit(main())
