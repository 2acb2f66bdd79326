"""Detectors of control maps."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import DPTConfig, DPTForDepthEstimation

from motion_inversion.error import InputError
from motion_inversion.method.control_a_video.detector import Canny, Depth, require_kind

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 24, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def network() -> DPTForDepthEstimation:
    """A random one that sees 32×32 pixels."""
    sizes = {"image_size": 32, "patch_size": 16, "hidden_size": 16, "intermediate_size": 16}
    depth = {"num_hidden_layers": 4, "num_attention_heads": 2, "backbone_out_indices": [0, 1, 2, 3]}
    config = DPTConfig(**sizes, **depth, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DPTForDepthEstimation(config)


@pytest.fixture(scope="module")
def depth(network: DPTForDepthEstimation, tmp_path_factory: pytest.TempPathFactory) -> Depth:
    folder = tmp_path_factory.mktemp("dpt")
    network.save_pretrained(folder)
    return Depth(str(folder))


def test_edges_are_white_where_brightness_jumps():
    video = np.zeros((2, 16, 16, 3), np.uint8)
    video[1, :, 8:] = 255
    flat, halves = Canny()(video, CPU)
    assert not flat.any()
    assert set(np.unique(halves)) == {0, 255}
    assert (halves == halves[..., :1]).all()
    columns = np.flatnonzero(halves[..., 0].all(axis=0))
    assert len(columns) == 1 and columns[0] in (7, 8)  # one line, along the jump
    assert not np.delete(halves, columns, axis=1).any()


def test_thresholds_choose_among_edges():
    video = np.full((1, 16, 16, 3), 100, np.uint8)
    video[:, :, 8:] = 120  # Sobel's gradient is 4 · 20
    assert not Canny()(video, CPU).any()
    assert Canny(low=40, high=79)(video, CPU).any()
    assert not Canny(low=40, high=81)(video, CPU).any()


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (6, 5)])
def test_thresholds_out_of_order_are_refused(low: int, high: int):
    with pytest.raises(InputError, match=r"set method\.detector\.low=100 method\.detector\.high=200"):
        Canny(low, high)


def test_depth_spans_the_range_once_over_the_clip(depth: Depth, video: np.ndarray):
    maps = depth(video, CPU)
    assert (maps.min(), maps.max()) == (0, 255)
    spans = [(int(frame.min()), int(frame.max())) for frame in maps]
    assert spans.count((0, 255)) < 3  # not each frame for itself
    assert (maps == maps[..., :1]).all()


def test_depth_is_the_networks_own(depth: Depth, network: DPTForDepthEstimation):
    """At the network's size nothing is resized: the maps are its output, brought to 0 … 255."""
    video = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    pixels = torch.from_numpy(video).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        found = network.eval()(pixels).predicted_depth
    assert found.shape == (2, 32, 32)
    expected = 255 * (found - found.min()) / (found.max() - found.min())
    assert (torch.from_numpy(depth(video, CPU))[..., 0] - expected).abs().max() <= 0.501


def test_depth_does_not_depend_on_the_chunk(depth: Depth, video: np.ndarray):
    difference = replace(depth, chunk=1)(video, CPU).astype(int) - depth(video, CPU)
    assert abs(difference).max() <= 1  # sums in another order may round differently


def test_a_clip_without_any_depth_is_black(depth: Depth, video: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    flat = torch.full((3, 24, 40), 7.0)
    monkeypatch.setattr("motion_inversion.method.control_a_video.detector._depth", lambda *_: flat)
    assert not depth(video, CPU).any()


@pytest.mark.parametrize("exists", [True, False])
def test_a_place_without_a_network_is_refused_in_one_line(tmp_path: Path, video: np.ndarray, exists: bool):
    path = tmp_path if exists else tmp_path / "missing"
    with pytest.raises(
        InputError, match=rf"method\.detector\.path={path} .*method\.detector\.path=/path/to/"
    ) as caught:
        Depth(str(path))(video, CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lacking", "refused"), [("head.head.0.", True), ("neck.fusion_stage.layers.0.residual_layer1.", False)]
)
def test_a_network_without_weights_that_it_uses_is_refused(
    depth: Depth, video: np.ndarray, tmp_path: Path, lacking: str, refused: bool
):
    folder = Path(shutil.copytree(depth.path, tmp_path / "copy"))
    weights = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(weights).items() if not name.startswith(lacking)}
    assert len(kept) < len(load_file(weights))
    save_file(kept, weights, {"format": "pt"})
    found = replace(depth, path=str(folder))
    if refused:
        with pytest.raises(InputError, match=r"lacks 2 weights of a DPT network, such as head\.head\.0\.bias; give"):
            found(video, CPU)
    else:
        assert np.array_equal(found(video, CPU), depth(video, CPU))


class _Sketch(Canny):
    kind: ClassVar[str] = "sketch"


@pytest.mark.parametrize(
    ("detector", "trained", "message"),
    [
        (
            Canny(),
            "depth",
            r"follows depth \(model\.family\.controlnet\), the detector finds canny; set detector=depth",
        ),
        (
            Depth(),
            "canny",
            r"follows canny .* finds depth; set detector=canny, or model\.family\.controlnet=depth with",
        ),
        (Canny(), "hed", r"no detector of hed is included: .* with the clip: dataset\.control_maps=maps\.mp4"),
        (_Sketch(), "canny", r"the detector finds sketch; set detector=canny"),
    ],
)
def test_other_maps_than_the_controlnet_follows_are_refused(detector: Canny | Depth, trained: str, message: str):
    with pytest.raises(InputError, match=message) as caught:
        require_kind(detector, trained)
    assert "\n" not in str(caught.value)


def test_maps_that_the_controlnet_follows_pass():
    require_kind(Canny(), "canny")
    require_kind(_Sketch(), "sketch")
