from xml.etree import ElementTree

from pylb.tools.demo.scoreboard import Row
from pylb.tools.demo.screen import LogPanel
from pylb.tools.demo.screenshot import SCRIPT, ScriptedDisplay, svg
from tests.tools.demo.frames import LINKS, frame


def rows(count, requests=0):
    return tuple(Row(f"web-{n}", f"h:{n}", "up", up=True, requests=requests) for n in range(1, count + 1))


def words(picture):
    text = "".join(ElementTree.fromstring(picture).itertext())
    return " ".join(text.replace("\xa0", " ").split())


def test_a_screenshot_is_xml_of_the_screen_without_external_references():
    picture = svg(tuple(LINKS), frame(), LogPanel())
    assert "http://127.0.0.1:8080/" in words(picture)
    assert "web-1" in words(picture)
    assert "url(http" not in picture.replace('"', "").replace("'", "")
    assert "@font-face" not in picture


def test_the_script_presses_each_key_when_its_condition_is_met():
    display = ScriptedDisplay()
    pressed = []
    with display.open(LINKS, pressed.append):
        for each, keys in [
            (frame(rows=rows(2)), ""),
            (frame(rows=rows(3)), "t"),
            (frame(rows=rows(3), requests=299), "t"),
            (frame(rows=rows(3), requests=300), "t+"),
            (frame(rows=rows(4, requests=99)), "t+"),
            (frame(rows=rows(4, requests=100), command=""), "t+"),
            (frame(rows=rows(4, requests=100)), "t+q"),
            (frame(rows=rows(1)), "t+q"),
        ]:
            display.show(each)
            assert "".join(pressed) == keys
    assert len(pressed) == len(SCRIPT)
    assert "web-4" in words(display.svg)
