"""Colours of pictures, for a light and a dark background: no colour is legible on both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEGIBLE = 4.5
"""Minimum contrast of text with its background: WCAG 2.2, success criterion 1.4.3."""


@dataclass(frozen=True)
class Theme:
    """A background and colours that are legible on it."""

    name: str
    background: str
    """Background of the page; the picture itself is transparent."""
    ink: str
    peers: Mapping[str, str]
    """The colour of each proxy."""


LIGHT = Theme(
    name="light",
    background="#ffffff",
    ink="#57606a",
    peers={
        "pylb": "#0550ae",
        "nginx": "#1a7f37",
        "nginx-current": "#116329",
        "haproxy": "#9a6700",
        "envoy": "#8250df",
        "traefik": "#cf222e",
        "traefik-watch": "#a40e26",
        "caddy": "#bf3989",
        "aiohttp": "#57606a",
    },
)
DARK = Theme(
    name="dark",
    background="#0d1117",
    ink="#9198a1",
    peers={
        "pylb": "#58a6ff",
        "nginx": "#3fb950",
        "nginx-current": "#7ee787",
        "haproxy": "#d29922",
        "envoy": "#bc8cff",
        "traefik": "#ff7b72",
        "traefik-watch": "#ffa198",
        "caddy": "#f778ba",
        "aiohttp": "#9198a1",
    },
)
THEMES = (LIGHT, DARK)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
