import re
from importlib.resources import files

import pytest

from pylb.admin.dashboard.files import FILES
from tests.admin.conftest import app, clock, counters, operator, pools, view  # noqa: F401


@pytest.mark.parametrize("path", FILES)
async def test_each_file_has_its_content_type(app, aiohttp_client, path):  # noqa: F811
    answer = await (await aiohttp_client(app.web)).get(path)
    assert answer.status == 200
    assert answer.content_type == FILES[path][1]
    assert await answer.read() == (files("pylb.admin.dashboard") / FILES[path][0]).read_bytes()


def test_the_page_has_no_external_references():
    for name, _ in FILES.values():
        text = (files("pylb.admin.dashboard") / name).read_text()
        assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_page_has_no_inline_styles_or_scripts():
    text = (files("pylb.admin.dashboard") / "index.html").read_text()
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?! type=\"module\" src=)", text)
