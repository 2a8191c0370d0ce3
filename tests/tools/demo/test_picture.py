from xml.etree import ElementTree

from pylb.tools.demo.picture import SCRIPT, Camera, svg
from pylb.tools.demo.scoreboard import Row
from pylb.tools.demo.screen import News
from tests.tools.demo.moments import SIGNS, moment


def rows(count, requests=0):
    return tuple(Row(f"web-{n}", f"h:{n}", "up", up=True, requests=requests) for n in range(1, count + 1))


def words(picture):
    text = "".join(ElementTree.fromstring(picture).itertext())
    return " ".join(text.replace("\xa0", " ").split())


def test_a_picture_is_xml_that_shows_the_screen_and_fetches_nothing():
    picture = svg(tuple(SIGNS), moment(), News())
    assert "http://127.0.0.1:8080/" in words(picture)
    assert "web-1" in words(picture)
    assert "url(http" not in picture.replace('"', "").replace("'", "")
    assert "@font-face" not in picture


def test_the_camera_presses_keys_when_there_is_something_to_see():
    camera = Camera()
    pressed = []
    with camera.open(SIGNS, pressed.append):
        for each, keys in [
            (moment(rows=rows(2)), ""),
            (moment(rows=rows(3)), "t"),
            (moment(rows=rows(3), requests=299), "t"),
            (moment(rows=rows(3), requests=300), "t+"),
            (moment(rows=rows(4, requests=99)), "t+"),
            (moment(rows=rows(4, requests=100), by_hand=""), "t+"),
            (moment(rows=rows(4, requests=100)), "t+q"),
            (moment(rows=rows(1)), "t+q"),
        ]:
            camera.show(each)
            assert "".join(pressed) == keys
    assert len(pressed) == len(SCRIPT)
    assert "web-4" in words(camera.svg)
