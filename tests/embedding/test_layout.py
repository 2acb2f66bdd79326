from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from motion_inversion.core.error import InputError
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.site import Section, Site

CONF = Path(__file__).parents[2] / "conf/layout"
WIDTHS = (320, 640, 1280, 1280)
MID = "mid_block.temp_attentions.0.transformer_blocks.0"


def block(section: Section, level: int, index: int, widths: tuple[int, ...]) -> Site:
    module = {"down": f"down_blocks.{level}", "mid": "mid_block", "up": f"up_blocks.{3 - level}"}[section]
    name = f"{module}.temp_attentions.{index}.transformer_blocks.0"
    return Site(name, section, level, widths[level], (8 >> level, 8 >> level), 4, ("attn1", "attn2"))


def model(widths: tuple[int, ...]) -> tuple[Site, ...]:
    """The sites of a UNet of ZeroScope's topology, written down by hand."""
    return (
        *(block("down", level, index, widths) for level in (0, 1, 2) for index in (0, 1)),
        block("mid", 3, 0, widths),
        *(block("up", level, index, widths) for level in (2, 1, 0) for index in (0, 1, 2)),
    )


def names(blocks: tuple[str, ...] | list[str], widths: tuple[int, ...] = WIDTHS) -> list[str]:
    return [site.name for site in Layout(blocks, query_key=True, value=True).select(model(widths))]


def of(module: str, count: int) -> list[str]:
    return [f"{module}.temp_attentions.{index}.transformer_blocks.0" for index in range(count)]


def test_down_and_up_are_fifteen_blocks():
    assert names(("down", "up")) == [site.name for site in model(WIDTHS) if site.section != "mid"]
    assert len(names(("down", "up"))) == 15
    assert len(names(("down", "mid", "up"))) == 16


@pytest.mark.parametrize("widths", [WIDTHS, (32, 48, 64, 64), (32, 48, 64, 96)])
def test_widest_is_the_five_blocks_of_the_paper(widths):
    # The last level holds no down or up attention, so its width does not matter.
    assert names(("widest",), widths) == of("down_blocks.2", 2) + of("up_blocks.1", 3)


def test_widest_is_by_width_not_by_level():
    deep = names(("widest",), (16, 32, 32, 32))
    assert deep == of("down_blocks.1", 2) + of("down_blocks.2", 2) + of("up_blocks.1", 3) + of("up_blocks.2", 3)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("mid", [MID]),
        ("mid.3@1280", [MID]),
        (MID, [MID]),
        ("down.0", of("down_blocks.0", 2)),
        ("up.0", of("up_blocks.3", 3)),
        ("up@640", of("up_blocks.2", 3)),
        ("down.2@1280", of("down_blocks.2", 2)),
    ],
)
def test_selectors(selector, expected):
    assert names((selector,)) == expected


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["down", "mid", "up.1", "down@640", "widest", MID]), min_size=1))
def test_a_selection_is_a_union_in_the_order_of_the_model(selectors):
    expected = set().union(*(names((selector,)) for selector in selectors))
    assert names(tuple(selectors)) == [site.name for site in model(WIDTHS) if site.name in expected]


@pytest.mark.parametrize("selector", ["middle", "down@641", "down.3", "up.", "down@", "1280", "", "DOWN"])
def test_a_selector_without_blocks_is_refused(selector):
    with pytest.raises(InputError) as caught:
        names(("up", selector))
    message = str(caught.value)
    assert f"'{selector}' selects no block" in message
    assert "down.0@320 (8x8), down.1@640 (4x4), down.2@1280 (2x2), mid.3@1280 (1x1)" in message
    assert "method.layout.blocks=[down,up]" in message


def test_nothing_to_learn_is_refused():
    with pytest.raises(InputError, match=r"method\.layout\.query_key=true or method\.layout\.value=true"):
        Layout(("down",), query_key=False, value=False)
    with pytest.raises(InputError, match=r"layout\.blocks=\[down,up\]"):
        Layout((), query_key=True, value=True)


@pytest.mark.parametrize(
    ("given_blocks", "stored"),
    [
        (["down", "up"], ("down", "up")),
        (OmegaConf.create(["down@1280"]), ("down@1280",)),
        ("down", ("down",)),
    ],
)
def test_blocks_as_a_configuration_gives_them(given_blocks, stored):
    layout = Layout(given_blocks, query_key=True, value=True)
    assert layout.blocks == stored
    assert hash(layout) == hash(Layout(stored, query_key=True, value=True))


def test_selectors_can_be_written_on_the_command_line():
    override = OverridesParser.create().parse_override("method.layout.blocks=[down@1280,up.1,mid.3@1280,widest]")
    assert override.value() == ["down@1280", "up.1", "mid.3@1280", "widest"]


@pytest.mark.parametrize(("query_key", "value", "per_block"), [(True, True, 3), (True, False, 1), (False, True, 2)])
def test_the_flags_choose_what_is_learnt(query_key, value, per_block):
    embeddings = Layout(("widest",), query_key=query_key, value=value).zeros(model(WIDTHS))
    assert len(embeddings.tensors()) == 5 * per_block


@pytest.mark.parametrize(
    ("layout", "word"),
    [
        (Layout(["up", "down"], True, True), "all"),
        (Layout(["widest"], True, True), "deep"),
        (Layout(["widest"], False, True), "deep_v_only"),
        (Layout(["down.2", "up@640"], True, True), "down.2+up@640"),
        (Layout(["mid"], True, False), "mid_qk_only"),
    ],
)
def test_tables_tell_by_a_word_what_is_chosen(layout: Layout, word: str):
    assert str(layout) == word


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_layouts_are_called_as_their_files(path: Path):
    given = {key: value for key, value in yaml.safe_load(path.read_text()).items() if key != "_target_"}
    assert str(Layout(**given)) == path.stem
