"""Configuration files with values of the run in them."""

import pytest

from bench.lib.template import render


def test_marks_are_replaced_and_dollars_stay(tmp_path):
    template = tmp_path / "proxy.conf"
    template.write_text("listen @port; # $host @@type @directory\n")
    (tmp_path / "site").mkdir()
    written = render(template, tmp_path / "site", port=8080)
    assert written == tmp_path / "site" / "proxy.conf"
    assert written.read_text() == f"listen 8080; # $host @type {tmp_path / 'site'}\n"


def test_a_mark_without_a_value_is_an_error(tmp_path):
    template = tmp_path / "proxy.conf"
    template.write_text("listen @port;")
    (tmp_path / "site").mkdir()
    with pytest.raises(KeyError, match="port"):
        render(template, tmp_path / "site")
