"""Runs the demo by a script of keys and writes a screenshot for the README.

`python -m pylb.tools.demo.screenshot docs/images/demo.svg` replaces the screenshot.
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
from pylb.tools.demo.display import Frame, Link
from pylb.tools.demo.screen import LogPanel, render

COLUMNS = 90
SCRIPT: tuple[tuple[Callable[[Frame], bool], str], ...] = (
    (lambda frame: len(frame.summary.rows) == 3, "t"),
    (lambda frame: frame.summary.requests >= 300, "+"),
    (lambda frame: bool(frame.registration_command) and frame.summary.rows[-1].requests >= 100, "q"),
)
"""Conditions, and the key to press when each is met. The screenshot is taken at the last one."""


class ScriptedDisplay:
    """A display that presses the keys of the script and draws the screen as SVG."""

    def __init__(self) -> None:
        self.log_handler = LogPanel()
        self.svg = ""
        self._links: tuple[Link, ...] = ()
        self._press: Callable[[str], None] = lambda _: None
        self._script = deque(SCRIPT)

    def open(self, links: Iterable[Link], press: Callable[[str], None]) -> AbstractContextManager[object]:
        """Store the arguments."""
        self._links, self._press = tuple(links), press
        return nullcontext()

    def show(self, frame: Frame) -> None:
        """Press the next key of the script if its condition is met."""
        if self._script and self._script[0][0](frame):
            self._press(self._script.popleft()[1])
            self.svg = svg(self._links, frame, self.log_handler)


def svg(links: tuple[Link, ...], frame: Frame, panel: LogPanel) -> str:
    """Return a screen as SVG, without references to fonts on other servers."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(render(links, frame, panel.messages))
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="pylb demo"), flags=re.DOTALL)


def main(path: Path) -> int:
    """Run the demo by the script, and write the screenshot."""
    display = ScriptedDisplay()
    log = logging.getLogger("pylb")
    log.addHandler(display.log_handler)
    log.setLevel(logging.INFO)
    code = uvloop.run(perform(DemoOptions(), display))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(display.svg)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
