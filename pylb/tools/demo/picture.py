"""A picture of the demo's screen for the README, taken while it runs.

`python -m pylb.tools.demo.picture docs/images/demo.svg` takes it anew.
"""

from __future__ import annotations

import io
import logging
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import uvloop
from rich.console import Console

from pylb.tools.demo.command import DemoOptions, perform
from pylb.tools.demo.display import Moment, Sign
from pylb.tools.demo.screen import News, render

COLUMNS = 90
SCRIPT: tuple[tuple[Callable[[Moment], bool], str], ...] = (
    (lambda moment: len(moment.standing.rows) == 3, "t"),
    (lambda moment: moment.standing.requests >= 300, "+"),
    (lambda moment: bool(moment.by_hand) and moment.standing.rows[-1].requests >= 100, "q"),
)
"""What to wait for, and which key to press then; the picture is taken at the last one."""


class Camera:
    """A display that presses keys as a person would, and keeps what there was to see."""

    def __init__(self) -> None:
        self.news = News()
        self.svg = ""
        self._signs: tuple[Sign, ...] = ()
        self._press: Callable[[str], None] = lambda _: None
        self._script = deque(SCRIPT)

    def open(self, signs: Iterable[Sign], press: Callable[[str], None]) -> AbstractContextManager[object]:
        """Keep both for later."""
        self._signs, self._press = tuple(signs), press
        return nullcontext()

    def show(self, moment: Moment) -> None:
        """Go on with the script."""
        if self._script and self._script[0][0](moment):
            self._press(self._script.popleft()[1])
            self.svg = svg(self._signs, moment, self.news)


def svg(signs: tuple[Sign, ...], moment: Moment, news: News) -> str:
    """Draw a screen; without the fonts that the viewer's browser would have to fetch from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(render(signs, moment, news.messages))
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="pylb demo"), flags=re.DOTALL)


def main(path: Path) -> int:
    """Run the demo by its script, and write the picture."""
    camera = Camera()
    log = logging.getLogger("pylb")
    log.addHandler(camera.news)
    log.setLevel(logging.INFO)
    code = uvloop.run(perform(DemoOptions(), camera))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(camera.svg)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
