import pytest

from bench.lib.peers.catalog import PEERS
from bench.lib.peers.follower import FOLLOWERS
from bench.report.theme import LEGIBLE, THEMES, contrast

themes = pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)


def test_contrast_follows_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#0d1117", "#0d1117") == 1


@themes
def test_all_colours_are_legible(theme):
    faint = {
        colour: contrast(colour, theme.background)
        for colour in (theme.ink, *theme.peers.values())
        if contrast(colour, theme.background) < LEGIBLE
    }
    assert faint == {}


@themes
def test_every_proxy_has_its_own_colour(theme):
    assert set(theme.peers) >= {*PEERS, *FOLLOWERS}
    assert len(set(theme.peers.values())) == len(theme.peers)
