"""The language of the code: a former name never returns where the field has a standard term for it.

A name without a folder is forbidden everywhere. The others are forbidden in one folder, where they once had
another meaning; elsewhere they are plain words: the `reader` of asyncio, the `memory` that processes share.
"""

import io
import re
import tokenize

import pytest

from tests.test_architecture import ROOT, TEXTS

NAMES = {
    "": """
        AssignedCounters Asks Block CELLS Conduct Crew Ends GREETING Greeting Half Moment News Opening
        Owner PATIENCE Pump RETIRED RandomTwo Scene Seat Sign Stage Standings Stay TURN Ticket Turn
        Usual Visit Watched bury chooser choked crew dataplane departures despair dismiss doubt elect
        filler go_on greet hopeless inbox inheritance introduce lifeline looked mailbox newcomers news
        overrule presence probation reception rehearsal rehearse relieve rendezvous rereading restless
        roomy said stamping_origin standings takes_enough told told_of unheeded welcome whoever
        witness witnesses
        """,
    "pylb/": """
        Upload cells checked heed held judge learn notice pace plans refusal refused seat stay tickets
        turn turns visit watched
        """,
    "pylb/proxy/": "MOST Origin SMALL arm direct explained flow leaving patience post ready touched",
    "pylb/http1/": "Origin Reader announced direct nominated part reader ready",
    "pylb/policy/": "block explanation hear link memory part recall standing",
    "pylb/discovery/": "explanation memory recall",
    "pylb/supervisor/": "block brief door doors overview owner speak",
    "pylb/control/": "block brief door doors hub link overview owner speak",
    "pylb/worker/": "block greeting hub link owner speak",
    "pylb/ipc/": "block door doors greeting hub link owner post",
    "pylb/observe/": "block cell cells",
    "tests/": "judge stage",
    "bench/": "advised agreement checked disturbances handing judge refusal sightings stage uncounted visit",
}
"""Former names by folder, without leading underscores."""

TERMS = re.compile(
    r"departures_total|--eject-most|--warning-ok|--retry-keyed|--pin\b"
    r"|\b(left alone|whoever|somebody|everybody|in vain|is to be|are to be|goes by|of its own|of their own)\b"
)
"""Former options and metrics, and phrases that have a plain equivalent."""


def identifiers(text):
    """The names in a module, without leading underscores."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string.strip("_") for token in tokens if token.type == tokenize.NAME}


@pytest.fixture(scope="module")
def names():
    return {
        name: identifiers(text)
        for name, text in TEXTS.items()
        if name.startswith(("pylb/", "tests/", "bench/"))
    }


@pytest.mark.parametrize("folder", NAMES)
def test_no_former_name_is_used(names, folder):
    former = set(NAMES[folder].split())
    used = {name: former & known for name, known in names.items() if name.startswith(folder)}
    assert {name: found for name, found in used.items() if found} == {}


def test_identifiers_are_found_in_code_but_not_in_text():
    assert identifiers('def _greet(news):  # told\n    "said"\n') == {"def", "greet", "news"}


def test_texts_use_plain_terms():
    pages = {page.relative_to(ROOT).as_posix(): page.read_text() for page in (ROOT / "docs").glob("*.md")}
    pages |= {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}
    pages |= {name: text for name, text in TEXTS.items() if name.startswith("pylb/")}
    found = {name: TERMS.findall(text) for name, text in pages.items()}
    assert {name: words for name, words in found.items() if words} == {}
