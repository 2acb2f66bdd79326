"""Text of any script in figures: a font that has it, or its name."""

import logging
import warnings
from pathlib import Path

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from motion_inversion.report.figure import font
from motion_inversion.report.figure.choice import Shown
from motion_inversion.report.figure.comparison import comparison
from motion_inversion.report.figure.font import PLAIN, families, is_latin, legible


@pytest.fixture(autouse=True)
def fresh() -> None:
    for kept in (font._family, font._installed, font._warn):
        kept.cache_clear()


def test_latin_and_arabic_need_no_font_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    texts = {"a red star, 50 %, “ünïcode”": [PLAIN], "مرحبا": [PLAIN, "DejaVu Sans"]}
    for text, needed in texts.items():
        assert legible(text) == text
        assert families(text) == needed
    assert is_latin("a “naïve” star")
    assert not is_latin("مرحبا")


@pytest.mark.parametrize("style", ["normal", "italic"])
def test_the_plain_font_is_as_wide_as_the_whole_one_and_a_sixth_of_it(style: str) -> None:
    text = "AVATAR: “a fjord’s star”, ½ × ÿ"  # with pairs that move together, and a ligature
    plain, whole = (Figure().text(0, 0, text, family=family, style=style) for family in (PLAIN, "DejaVu Sans"))
    files = [Path(font_manager.findfont(each.get_fontproperties())) for each in (plain, whole)]
    assert files[0].parent.name == "fonts"
    assert files[0].stat().st_size < 0.2 * files[1].stat().st_size
    assert plain.get_window_extent().bounds == pytest.approx(whole.get_window_extent().bounds)


def test_what_no_font_has_is_named_and_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    assert [legible("a \N{DOG FACE}\ufe0f dog") for _ in range(2)] == ["a [dog face] dog"] * 2
    assert families("a \N{DOG FACE}") == [PLAIN]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "install one" in caplog.text


def test_a_font_of_the_machine_is_found_by_the_signs_that_it_has() -> None:
    if legible("星") != "星":
        pytest.skip("no font of this machine has Chinese (Debian: apt-get install fonts-noto-cjk)")
    plain, other = families("a 星")
    assert (plain, other) != (PLAIN, PLAIN)
    figure = comparison([Shown("星", "红色的星星", None)])
    assert isinstance(figure, Figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that is missing is a warning
        figure.draw_without_rendering()
