import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from motion_inversion.core.strategy import Difference
from motion_inversion.embedding.embeddings import MotionEmbeddings, read_metadata
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError
from motion_inversion.storage.file import replacing


def single(grid: tuple[int, int], frames: int, channels: int = 1) -> Site:
    return Site("mid_block.temp_attentions.0.transformer_blocks.0", "mid", 3, channels, grid, frames, ("attn1",))


def shapes(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def coarse(site: Site, grid: tuple[int, int], value: torch.Tensor) -> MotionEmbeddings:
    """A value embedding of a site's first attention, held on another grid."""
    return MotionEmbeddings([site], {f"{site.name}.attn1.value": value}, {site.name: grid})


def test_five_blocks_have_fifteen_tensors(deep):
    tensors = MotionEmbeddings.zeros(deep, query_key=True, value=True).tensors()
    blocks = [f"down_blocks.2.temp_attentions.{i}" for i in range(2)]
    blocks += [f"up_blocks.1.temp_attentions.{i}" for i in range(3)]
    kinds = ("query_key", "attn1.value", "attn2.value")
    assert set(tensors) == {f"{block}.transformer_blocks.0.{kind}" for block in blocks for kind in kinds}
    assert len(tensors) == 15
    for name, tensor in tensors.items():
        assert tensor.shape == ((1, 4, 32) if name.endswith("query_key") else (2 * 3, 4, 32))
        assert tensor.dtype == torch.float32
        assert not tensor.any()


def test_parameter_counts_of_the_paper():
    # Five blocks of 1280 channels with 32 frames at 576x320 pixels, where the grid is 10 x 18:
    # 5 x 32 x 1280 and 5 x 2 x 180 x 32 x 1280.
    sites = [replace(single((10, 18), 32, 1280), name=str(i), attentions=("attn1", "attn2")) for i in range(5)]
    with torch.device("meta"):
        query_key = MotionEmbeddings.zeros(sites, query_key=True, value=False)
        value = MotionEmbeddings.zeros(sites, query_key=False, value=True)
    assert sum(parameter.numel() for parameter in query_key.parameters()) == 204_800
    assert sum(parameter.numel() for parameter in value.parameters()) == 73_728_000


def test_accessors_return_the_trained_parameters(embeddings, deep):
    trained = {id(parameter) for parameter in embeddings.parameters()}
    returned = [embeddings.query_key(site) for site in deep]
    returned += [embeddings.value(site, attention) for site in deep for attention in site.attentions]
    assert {id(tensor) for tensor in returned} == trained
    assert all(tensor.requires_grad for tensor in returned)


def test_an_absent_kind_is_none(deep, random_embeddings):
    query_key = random_embeddings(deep, value=False)
    value = random_embeddings(deep, query_key=False)
    assert query_key.value(deep[0], "attn1") is None and not query_key.has_value(deep[0])
    assert value.query_key(deep[0]) is None and value.has_value(deep[0])


def test_shapes_and_names_are_checked(deep):
    with pytest.raises(ValueError, match="query_key has shape"):
        MotionEmbeddings(deep, {f"{deep[0].name}.query_key": torch.zeros(1, 5, 32)})
    with pytest.raises(ValueError, match=r"other\.query_key has shape"):
        MotionEmbeddings(deep, {"other.query_key": torch.zeros(1, 4, 32)})


def test_map_value_changes_values_only_and_leaves_the_original(embeddings, deep):
    before = {name: tensor.clone() for name, tensor in embeddings.tensors().items()}
    mapped = embeddings.map_value(lambda value: 2 * value + 1)
    for name, tensor in mapped.tensors().items():
        expected = before[name] if name.endswith("query_key") else 2 * before[name] + 1
        assert torch.equal(tensor, expected)
    with torch.no_grad():
        for parameter in mapped.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in embeddings.tensors().items())
    assert all(parameter.is_leaf for parameter in mapped.parameters())


def test_the_identity_map_copies(embeddings):
    mapped = embeddings.map_value(lambda value: value)
    pointers = {parameter.data_ptr() for parameter in embeddings.parameters()}
    assert pointers.isdisjoint(parameter.data_ptr() for parameter in mapped.parameters())


def test_a_saved_file_loads_equal(embeddings, tmp_path):
    path = tmp_path / "new" / "motion.safetensors"
    embeddings.save(path, {"model": "tiny", "clip": "car-turn"})
    loaded = MotionEmbeddings.load(path)
    assert loaded.sites == embeddings.sites
    assert read_metadata(path) == {"model": "tiny", "clip": "car-turn"}
    expected = embeddings.tensors()
    assert loaded.tensors().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.tensors().items())
    assert [file.name for file in path.parent.iterdir()] == ["motion.safetensors"]


def test_a_state_dict_loads_equal(embeddings, deep):
    copy = MotionEmbeddings.zeros(deep, query_key=True, value=True)
    copy.load_state_dict(embeddings.state_dict())
    assert all(torch.equal(tensor, embeddings.tensors()[name]) for name, tensor in copy.tensors().items())


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_training_is_not_saved(embeddings, tmp_path, bad):
    with torch.no_grad():
        next(embeddings.parameters())[0, 0, 0] = bad
    with pytest.raises(InputError, match=r"NaN or infinity.*optimizer\.lr"):
        embeddings.save(tmp_path / "file", {})
    assert not list(tmp_path.iterdir())


def test_metadata_keys_of_the_format_are_taken(embeddings, tmp_path):
    with pytest.raises(ValueError, match="'sites'"):
        embeddings.save(tmp_path / "file", {"sites": "none"})


def write_nothing(path: Path) -> None:
    pass


def write_noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def write_other_tensors(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path)


def write_version(version: int, path: Path) -> None:
    contents = json.dumps({"format": f"motion-inversion-embeddings/{version}", "sites": "[]"})
    save_file({"weight": torch.zeros(2)}, path, {"motion_inversion": contents})


OTHER_VERSIONS = [partial(write_version, version) for version in (1, 3)]


@pytest.mark.parametrize("write", [write_nothing, write_noise, write_other_tensors, *OTHER_VERSIONS])
@pytest.mark.parametrize("read", [MotionEmbeddings.load, read_metadata])
def test_a_foreign_file_is_refused(tmp_path, write, read):
    write(tmp_path / "file")
    with pytest.raises(InputError, match=r"file.*`train` wrote"):
        read(tmp_path / "file")


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        "nonsense",
        '[{"name": "a"}]',
        json.dumps([{"name": "a", "grid": [1, 1], "value_grid": [1, 1], "attentions": [], "extra": 1}]),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(embeddings, tmp_path, record):
    path = tmp_path / "file"
    embeddings.save(path, {})
    contents = {"format": "motion-inversion-embeddings/2", "sites": record}
    save_file(load_file(path), path, {"motion_inversion": json.dumps(contents)})
    with pytest.raises(InputError, match="contradicts itself"):
        MotionEmbeddings.load(path)


def test_equal_embeddings_are_equal_files(embeddings, tmp_path):
    embeddings.save(tmp_path / "one", {"model": "tiny", "clip": "car-turn"})
    embeddings.save(tmp_path / "other", {"clip": "car-turn", "model": "tiny"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_fitting_model_is_accepted(embeddings, sites):
    embeddings.require(sites)


def test_another_number_of_frames_is_refused(embeddings, sites):
    with pytest.raises(
        InputError,
        match=r"of 4 frames, the model.*of 9 frames: set model\.frames to that of the training.*method\.resample=true",
    ):
        embeddings.require([replace(site, frames=9) for site in sites])


def test_another_grid_is_refused_for_values_only(deep, sites, random_embeddings):
    other = [replace(site, grid=(3, 2)) for site in sites]
    with pytest.raises(InputError, match=r"down\.2@32 \(2x3\).*down\.2@32 \(3x2\).*model\.height"):
        random_embeddings(deep).require(other)
    random_embeddings(deep, value=False).require(other)


def test_another_model_is_refused(embeddings, sites):
    with pytest.raises(InputError, match=r"down_blocks\.2\S+ is missing or differs: model="):
        embeddings.require([site for site in sites if site.section == "up"])
    with pytest.raises(InputError, match=r"@32 .*@64 .*is missing or differs: model="):
        embeddings.require([replace(site, channels=64) for site in sites])


def test_resampling_to_the_same_size_changes_nothing(embeddings, sites):
    same = embeddings.resampled(sites)
    assert same.sites == embeddings.sites
    assert all(torch.equal(tensor, embeddings.tensors()[name]) for name, tensor in same.tensors().items())


def test_resampling_in_time_is_linear_with_fixed_ends():
    site, longer = single((1, 1), 3), single((1, 1), 5)
    name = f"{site.name}.query_key"
    embeddings = MotionEmbeddings([site], {name: torch.tensor([0.0, 2.0, 10.0]).reshape(1, 3, 1)})
    assert embeddings.resampled([longer]).tensors()[name].flatten().tolist() == [0.0, 1.0, 2.0, 6.0, 10.0]
    assert embeddings.resampled([longer]).resampled([site]).tensors()[name].flatten().tolist() == [
        0.0,
        2.0,
        10.0,
    ]


def test_resampling_in_space_treats_positions_as_areas():
    # Two columns of centres 1/4 and 3/4, read at 1/8, 3/8, 5/8, 7/8: end values held, quarters between.
    site, finer = single((1, 2), 2), single((1, 4), 2)
    name = f"{site.name}.attn1.value"
    value = torch.tensor([[[0.0], [8.0]], [[4.0], [0.0]]])  # positions, frames, channel
    resampled = MotionEmbeddings([site], {name: value}).resampled([finer]).tensors()[name]
    assert resampled[:, 0, 0].tolist() == [0.0, 1.0, 3.0, 4.0]
    assert resampled[:, 1, 0].tolist() == [8.0, 6.0, 2.0, 0.0]


@settings(max_examples=25)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_resampling_keeps_constants_and_gives_the_shapes_asked_for(grid, to_grid, frames, to_frames):
    site, other = single(grid, frames, 2), single(to_grid, to_frames, 2)
    zeros, expected = (MotionEmbeddings.zeros([each], query_key=True, value=True).tensors() for each in (site, other))
    ones = MotionEmbeddings([site], {name: tensor + 1 for name, tensor in zeros.items()})
    resampled = ones.resampled([other])
    assert shapes(resampled.tensors()) == shapes(expected)
    for tensor in resampled.tensors().values():
        torch.testing.assert_close(tensor, torch.ones_like(tensor))


def test_resampling_keeps_rows_and_columns_apart():
    # Values that depend on the row only still do so on a grid with other columns.
    site, other = single((2, 3), 2), single((2, 5), 2)
    name = f"{site.name}.attn1.value"
    rows = torch.tensor([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]).reshape(6, 1, 1).expand(6, 2, 1)
    resampled = MotionEmbeddings([site], {name: rows}).resampled([other]).tensors()[name]
    torch.testing.assert_close(resampled[:, 0, 0], torch.tensor([1.0] * 5 + [2.0] * 5))


def test_resampling_needs_the_same_blocks(embeddings, sites):
    with pytest.raises(InputError, match="missing or differs"):
        embeddings.resampled(sites[:3])


def test_a_coarse_value_is_interpolated_to_the_sites_grid():
    # As in resizing: two columns of centres 1/4 and 3/4, read at 1/8, 3/8, 5/8, 7/8; rows alike.
    site = single((2, 4), 2)
    value = torch.tensor([[[0.0], [8.0]], [[4.0], [0.0]]])  # positions, frames, channel
    found = coarse(site, (1, 2), value).value(site, "attn1")
    assert found is not None
    assert found[:, 0, 0].tolist() == [0.0, 1.0, 3.0, 4.0] * 2
    assert found[:, 1, 0].tolist() == [8.0, 6.0, 2.0, 0.0] * 2


def test_a_coarse_value_learns_through_the_interpolation():
    site = single((2, 4), 2)
    embeddings = coarse(site, (1, 2), torch.zeros(2, 2, 1))
    value = embeddings.value(site, "attn1")
    assert value is not None
    value[:1].sum().backward()  # the corner is at the left column's outer side
    [held] = embeddings.parameters()
    assert held.grad is not None and held.grad[:, :, 0].tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_a_static_value_is_the_same_in_all_frames():
    site = single((1, 2), 3)
    embeddings = MotionEmbeddings([site], {f"{site.name}.attn1.value": torch.tensor([[[1.0]], [[2.0]]])})
    value = embeddings.value(site, "attn1")
    assert value is not None
    assert value[..., 0].tolist() == [[1.0] * 3, [2.0] * 3]
    value.sum().backward()
    [held] = embeddings.parameters()
    assert held.shape == (2, 1, 1)
    assert held.grad is not None and held.grad.flatten().tolist() == [3.0, 3.0]


def test_the_differences_of_a_static_value_are_zero_but_at_the_first_frame():
    site = single((1, 1), 3)
    embeddings = MotionEmbeddings([site], {f"{site.name}.attn1.value": torch.full((1, 1, 1), 5.0)})
    mapped = embeddings.map_value(lambda value: Difference()(value, "object"))
    assert mapped.tensors()[f"{site.name}.attn1.value"].flatten().tolist() == [5.0, 0.0, 0.0]


def test_a_grid_that_no_tensor_has_is_refused():
    with pytest.raises(ValueError, match=r"has shape \(8, 2, 1\), the sites ask for \(\(2, 2, 1\), \(2, 1, 1\)\)"):
        coarse(single((2, 4), 2), (1, 2), torch.zeros(8, 2, 1))


def test_coarse_and_static_embeddings_load_equal(tmp_path):
    site = single((2, 4), 2)
    embeddings = coarse(site, (1, 2), torch.tensor([[[3.0]], [[4.0]]]))
    embeddings.save(tmp_path / "file", {})
    loaded = MotionEmbeddings.load(tmp_path / "file")
    assert loaded.grids == {site.name: (1, 2)}
    assert shapes(loaded.tensors()) == {f"{site.name}.attn1.value": (2, 1, 1)}
    value, expected = loaded.value(site, "attn1"), embeddings.value(site, "attn1")
    assert value is not None and expected is not None and torch.equal(value, expected)


def test_resampling_keeps_a_coarse_grid_and_a_single_frame():
    site, other = single((2, 4), 2), single((4, 4), 5)
    static = coarse(site, (1, 2), torch.tensor([[[3.0]], [[4.0]]])).resampled([other])
    assert static.grids == {site.name: (1, 2)}
    assert static.tensors()[f"{site.name}.attn1.value"].flatten().tolist() == [3.0, 4.0]
    moving = coarse(site, (1, 2), torch.tensor([[[0.0], [4.0]], [[8.0], [0.0]]])).resampled([other])
    found = moving.tensors()[f"{site.name}.attn1.value"][..., 0].tolist()
    assert found == [[0.0, 1.0, 2.0, 3.0, 4.0], [8.0, 6.0, 4.0, 2.0, 0.0]]


def test_scaling_takes_each_kind_by_its_factor(embeddings):
    for name, tensor in embeddings.scaled(2.0, 0.5).tensors().items():
        assert torch.equal(tensor, embeddings.tensors()[name] * (2.0 if name.endswith("query_key") else 0.5))


def test_fitted_embeddings_have_the_models_own_sites(deep, sites, random_embeddings):
    wide = [replace(site, grid=(9, 9)) for site in sites]
    query_key = random_embeddings(deep, value=False)
    fitted = query_key.fitted(wide)
    assert {site.grid for site in fitted.sites} == {(9, 9)} and len(fitted.sites) == len(deep)
    assert all(torch.equal(tensor, query_key.tensors()[name]) for name, tensor in fitted.tensors().items())
    with pytest.raises(
        InputError, match=r"set model\.height and model\.width to those of the training, .*method\.resample=true"
    ):
        random_embeddings(deep).fitted(wide)
