import os

import pytest

from pylb.discovery.routes.file import RouteFile
from pylb.routes.file import LARGEST

ONE = '[services.web]\nroutes = ["/a"]\n'


def accept(name, value):
    if value == "wrong":
        raise ValueError(f"{name}: got 'wrong', expected another one")


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "routes.toml"
    made.write_text(ONE)
    return made


@pytest.fixture
def file(path):
    return RouteFile(str(path), (1, 4), accept)


def paths(declared):
    return {each.service: [route.match.path for route in each.routes] for each in declared.services}


def test_a_file_declares_services(file):
    declared = file.read()
    assert paths(declared) == {"web": ["/a"]}
    assert declared.problems == ()
    assert declared.services[0].order == (1, 4)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_change_is_noticed_in_place_and_when_the_file_is_replaced(file, path, replaced):
    file.read()
    assert not file.changed()
    text = ONE.replace("/a", "/b")
    if replaced:
        new = path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, path)
    else:
        path.write_text(text + "# longer\n")
    assert file.changed()
    assert paths(file.read()) == {"web": ["/b"]}
    assert not file.changed()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[services.web\n", "routes.toml, line 1: "),
        (
            '[services.web]\npolicy = "wrong"\n',
            "routes.toml, line 2: policy: got 'wrong', expected another one",
        ),
        ('[services.web]\nroutes = ["/x policy=wrong"]\n', "routes.toml, line 2: policy: got 'wrong'"),
        ('[services.web]\nbackends = "wrong"\n', "routes.toml, line 2: backends: got 'wrong'"),
    ],
)
def test_a_file_with_an_error_keeps_what_it_declared(file, path, text, problem):
    file.read()
    path.write_text(text)
    declared = file.read()
    assert paths(declared) == {"web": ["/a"]}
    assert problem in declared.problems[0].text
    path.write_text(ONE)
    assert file.read().problems == ()


def test_bytes_that_are_no_text_and_a_missing_file_are_problems(file, path):
    path.write_bytes(b"\xff")
    assert file.read().problems[0].text.endswith("expected UTF-8")
    path.unlink()
    assert file.read().problems[0].text.endswith("cannot be read: No such file or directory")


def test_a_file_that_returns_is_read_again(file, path):
    file.read()
    path.unlink()
    assert file.changed()
    declared = file.read()
    assert paths(declared) == {"web": ["/a"]}
    assert "cannot be read" in declared.problems[0].text
    assert not file.changed()
    path.write_text(ONE.replace("/a", "/c"))
    assert file.changed()
    assert paths(file.read()) == {"web": ["/c"]}


def test_a_file_above_the_limit_is_not_read(file, path):
    file.read()
    os.truncate(path, 1 << 40)
    declared = file.read()
    assert declared.problems[0].text.endswith(f"{1 << 40} bytes, expected at most {LARGEST}")
    assert paths(declared) == {"web": ["/a"]}
    assert not file.changed()


def test_a_file_without_an_end_is_read_up_to_the_limit():
    (problem,) = RouteFile("/dev/zero", (1, 0), accept).read().problems
    assert problem.text == f"/dev/zero: {LARGEST + 1} characters, expected at most {LARGEST}"
