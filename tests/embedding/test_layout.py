from dataclasses import replace
from pathlib import Path

import jaxtyping
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

CONF = Path(__file__).parents[2] / "conf/layout"
WIDTHS = (320, 640, 1280, 1280)
MID = "mid_block.temp_attentions.0.transformer_blocks.0"


def block(section: str, level: int, index: int, widths: tuple[int, ...]) -> Site:
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


def transformer(section: str, count: int, width: int = 64) -> tuple[Site, ...]:
    """The sites of so many blocks that attend over space and time."""
    return tuple(Site(f"{section}s.{k}", section, k, width, (5, 6), 3, ("attn",), 0) for k in range(count))


def names(blocks: tuple[str, ...] | list[str], widths: tuple[int, ...] = WIDTHS) -> list[str]:
    return [site.name for site in Layout(blocks, query_key=True, value=True).select(model(widths))]


def numbers(selector: str, sites: tuple[Site, ...]) -> list[int]:
    return [site.level for site in Layout([selector], query_key=True, value=True).select(sites)]


def of(module: str, count: int) -> list[str]:
    return [f"{module}.temp_attentions.{index}.transformer_blocks.0" for index in range(count)]


def test_a_range_that_ends_beyond_the_last_block_is_refused() -> None:
    sites = [Site(f"b.{index}", "block", index, 8, (2, 2), 4, ("attn",), 0) for index in range(6)]
    assert len(Layout(["block.3-5"], True, True).select(sites)) == 3
    with pytest.raises(InputError, match=r"'block.3-6' ends beyond the last block; the model has block\.0-5@8"):
        Layout(["block.3-6"], True, True).select(sites)


def test_all_are_fifteen_blocks():
    assert names(("all",)) == [site.name for site in model(WIDTHS) if site.section != "mid"]
    assert names(("down", "up")) == names(("all",))
    assert len(names(("all",))) == 15
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
        ("up.1-2", of("up_blocks.1", 3) + of("up_blocks.2", 3)),
        ("up@640", of("up_blocks.2", 3)),
        ("down.2@1280", of("down_blocks.2", 2)),
        ("down/2", of("down_blocks.0", 2) + of("down_blocks.2", 2)),
        ("early", of("down_blocks.0", 2) + of("down_blocks.1", 2) + of("down_blocks.2", 1)),
        ("late", of("up_blocks.2", 3)[1:] + of("up_blocks.3", 3)),
    ],
)
def test_selectors(selector, expected):
    assert names((selector,)) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("all", range(30)),
        ("block", range(30)),
        ("widest", range(30)),
        ("early", range(10)),
        ("middle", range(10, 20)),
        ("late", range(20, 30)),
        ("block.7", [7]),
        ("blocks.7", [7]),
        ("block.0-9", range(10)),
        ("block.28-29", [28, 29]),
        ("block/5", range(0, 30, 5)),
        ("block.10-29/5", range(10, 30, 5)),
        ("block.3-9/4@64", [3, 7]),
    ],
)
def test_selectors_of_a_transformer(selector, expected):
    assert numbers(selector, transformer("block", 30)) == list(expected)


def test_sections_of_two_kinds_and_of_experts_are_told_apart():
    sites = transformer("double", 2) + transformer("single", 4) + transformer("high.block", 3, 32)
    assert [site.name for site in Layout(["single.2-3", "high.block/2"], True, True).select(sites)] == [
        "singles.2",
        "singles.3",
        "high.blocks.0",
        "high.blocks.2",
    ]
    with pytest.raises(InputError, match="'block' selects no block"):
        Layout(["block"], True, True).select(sites)


@settings(max_examples=25)
@given(st.integers(1, 40))
def test_thirds_are_all_blocks_once(count):
    sites = transformer("block", count + 2)
    thirds = [numbers(third, sites) for third in ("early", "middle", "late")]
    assert sum(thirds, []) == numbers("all", sites)
    assert max(map(len, thirds)) - min(map(len, thirds)) <= 1


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["down", "mid", "up.1", "down@640", "widest", "middle", MID]), min_size=1))
def test_a_selection_is_a_union_in_the_order_of_the_model(selectors):
    expected = set().union(*(names((selector,)) for selector in selectors))
    assert names(tuple(selectors)) == [site.name for site in model(WIDTHS) if site.name in expected]


@pytest.mark.parametrize(
    "selector", ["block", "down@641", "down.3", "down.2-1", "down/0", "up.", "down@", "1280", "", "DOWN"]
)
def test_a_selector_without_blocks_is_refused(selector):
    with pytest.raises(InputError) as caught:
        names(("up", selector))
    message = str(caught.value)
    assert f"'{selector}' selects no block" in message
    assert "down.0@320 (8x8), down.1@640 (4x4), down.2@1280 (2x2), mid.3@1280 (1x1)" in message
    assert "method.layout.blocks=[all]" in message
    assert "\n" not in message


def test_nothing_to_learn_is_refused():
    with pytest.raises(InputError, match=r"method\.layout\.query_key=true or method\.layout\.value=true"):
        Layout(("down",), query_key=False, value=False)
    with pytest.raises(InputError, match=r"layout\.blocks=\[all\]"):
        Layout((), query_key=True, value=True)
    with pytest.raises(InputError, match=r"layout\.value_blocks=\[all\]"):
        Layout(("all",), query_key=True, value=True, value_blocks=())


def test_other_values_are_refused(monkeypatch: pytest.MonkeyPatch):
    # The refusals are for callers without the tests' own type checks.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=r"accepted are true, false and static; set method\.layout\.value=true"):
        Layout(("all",), query_key=True, value="sometimes")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match=r"accepted are whole numbers from 1.*set method\.layout\.value_grid=1"):
        Layout(("all",), query_key=True, value=True, value_grid=0)


def test_value_blocks_that_select_nothing_are_refused_by_their_name():
    with pytest.raises(InputError, match=r"method\.layout\.value_blocks: 'block' selects no block"):
        Layout(("all",), True, True, value_blocks=["block"]).select(model(WIDTHS))


@pytest.mark.parametrize(
    ("given_blocks", "stored"),
    [
        (["down", "up"], ("down", "up")),
        (OmegaConf.create(["down@1280"]), ("down@1280",)),
        ("down", ("down",)),
    ],
)
def test_blocks_as_a_configuration_gives_them(given_blocks, stored):
    layout = Layout(given_blocks, query_key=True, value=True, value_blocks=given_blocks)
    assert layout.blocks == layout.value_blocks == stored
    assert hash(layout) == hash(Layout(stored, query_key=True, value=True, value_blocks=stored))


def test_selectors_can_be_written_on_the_command_line():
    words = ["down@1280", "up.1", "mid.3@1280", "widest", "block.10-29/5", "block/5"]
    override = OverridesParser.create().parse_override(f"method.layout.blocks=[{','.join(words)}]")
    assert override.value() == words


@pytest.mark.parametrize(("query_key", "value", "per_block"), [(True, True, 3), (True, False, 1), (False, True, 2)])
def test_the_flags_choose_what_is_learnt(query_key, value, per_block):
    embeddings = Layout(("widest",), query_key=query_key, value=value).zeros(model(WIDTHS))
    assert len(embeddings.tensors()) == 5 * per_block


# ZeroScope's five widest blocks at 576x320 pixels and 24 frames: a grid of 10x18 with two attentions.
QUERY_KEY, VALUE = 5 * 24 * 1280, 5 * 2 * 180 * 24 * 1280


@pytest.mark.parametrize(
    ("layout", "count"),
    [
        (Layout(["widest"], True, True), QUERY_KEY + VALUE),
        (Layout(["widest"], True, False), QUERY_KEY),
        (Layout(["widest"], False, True), VALUE),
        (Layout(["widest"], False, "static"), VALUE // 24),
        (Layout(["widest"], False, True, value_grid=2), VALUE // 4),
        (Layout(["widest"], False, "static", value_grid=4), 5 * 2 * (3 * 5) * 1280),
        (Layout(["widest"], True, True, value_blocks=["down.2"]), QUERY_KEY + VALUE * 2 // 5),
        (Layout(["down.2"], True, True, value_blocks=["widest"]), QUERY_KEY * 2 // 5 + VALUE),
    ],
)
def test_parameters_are_counted_without_making_them(layout: Layout, count: int):
    sites = [replace(site, grid=(10, 18), frames=24) for site in model(WIDTHS)]
    assert layout.parameters(sites) == count
    # Made of narrow blocks, which costs less.
    narrow = [replace(site, channels=site.channels // 160) for site in sites]
    made = sum(parameter.numel() for parameter in layout.zeros(narrow).parameters())
    assert made == layout.parameters(narrow) == count // 160


def test_embeddings_are_made_as_finely_as_the_layout_says():
    sites = transformer("block", 4)
    embeddings = Layout(["all"], True, "static", value_blocks=["block/2"], value_grid=2).zeros(sites)
    assert {name: tuple(tensor.shape) for name, tensor in embeddings.tensors().items()} == {
        **{f"blocks.{k}.query_key": (1, 3, 64) for k in range(4)},
        **{f"blocks.{k}.attn.value": (3 * 3, 1, 64) for k in (0, 2)},
    }
    value = embeddings.value(sites[0], "attn")
    assert value is not None and value.shape == (30, 3, 64)
    assert embeddings.value(sites[1], "attn") is None and not embeddings.has_value(sites[1])


def test_blocks_without_any_embedding_are_left_out():
    chosen = Layout(["all"], False, True, value_blocks=["block.1"]).zeros(transformer("block", 4)).sites
    assert [site.name for site in chosen] == ["blocks.1"]


@pytest.mark.parametrize(
    ("layout", "word"),
    [
        (Layout(["all"], True, True), "all"),
        (Layout(["all"], True, False), "qk_only"),
        (Layout(["widest"], True, True), "deep"),
        (Layout(["widest"], False, True), "deep_v_only"),
        (Layout(["down.2", "up@640"], True, True), "down.2+up@640"),
        (Layout(["mid"], True, False), "mid_qk_only"),
        (Layout(["all"], True, "static"), "static"),
        (Layout(["all"], False, "static", value_grid=4), "v_only,static,grid=4"),
        (Layout(["all"], True, True, ["widest", "mid"], 2), "all,v=widest+mid,grid=2"),
        (Layout(["block/5"], True, False), "block/5_qk_only"),
    ],
)
def test_tables_tell_by_a_word_what_is_chosen(layout: Layout, word: str):
    assert str(layout) == word


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_layouts_are_called_as_their_files(path: Path):
    given = {key: value for key, value in yaml.safe_load(path.read_text()).items() if key != "_target_"}
    assert str(Layout(**given)) == path.stem


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"value": False, "value_grid": 4}, "value_grid is for value embeddings, and method.layout.value=false"),
        ({"value": False, "value_blocks": ["early"]}, "value_blocks is for value embeddings, and method.layout.value"),
    ],
)
def test_settings_of_embeddings_that_there_are_none_of_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Layout(**{"blocks": ["all"], "query_key": True, "value": True, **changes})  # pyright: ignore[reportArgumentType]
