from pylb.config.backends import Health
from pylb.discovery.probes.history import ProbeHistory
from pylb.discovery.probes.result import Result
from pylb.model import ProbeVerdict
from tests.every import every

WELL, ILL = Result(well=True), Result(well=False, why="GET /: 503")


def verdicts(*answers, fall=3, rise=2):
    """What is made of a row of answers: `+` is a good one, `-` a bad one, `!` a good one that clears."""
    history, options = ProbeHistory(), Health(probe_fall=fall, probe_rise=rise)
    made = []
    for answer in "".join(answers):
        new = history.on_result(ILL if answer == "-" else WELL, options, clears=answer == "!")
        made.append("." if not new else "up" if history.verdict.well else "down")
    return " ".join(made)


@every(
    ("answers", "expected"),
    [
        ("+++", ". . ."),
        ("---", ". . down"),
        ("--+--+", ". . . . . ."),
        ("-----", ". . down . ."),
        ("---+-++", ". . down . . . up"),
        ("+!+", ". up ."),
        ("---!", ". . down ."),
    ],
)
def test_three_failures_and_two_successes_in_a_row_are_verdicts(answers, expected):
    assert verdicts(answers) == expected


def test_verdicts_are_numbered():
    history, options = ProbeHistory(), Health(probe_fall=1, probe_rise=1)
    numbers = []
    for answer in (ILL, WELL, ILL):
        history.on_result(answer, options, clears=False)
        numbers.append(history.verdict.number)
    assert numbers == [1, 2, 3]
    assert history.verdict == ProbeVerdict(well=False, number=3, why="GET /: 503")
