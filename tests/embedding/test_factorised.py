import pytest
import torch
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

from motion_inversion.error import InputError


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}.temp_attentions.{i}.transformer_blocks.0" for i in range(count)]


FORWARD_ORDER = [
    *(name for block in (0, 1, 2) for name in names(f"down_blocks.{block}", 2)),
    *names("mid_block", 1),
    *(name for block in (1, 2, 3) for name in names(f"up_blocks.{block}", 3)),
]


@pytest.fixture(scope="module")
def zeroscope() -> UNet3DConditionModel:
    """ZeroScope's UNet without its weights; diffusers' defaults are its configuration."""
    with torch.device("meta"):
        return UNet3DConditionModel(
            block_out_channels=(320, 640, 1280, 1280), attention_head_dim=64, cross_attention_dim=1024
        )


# Latent sizes are pixels / 8. Each level halves and rounds up: 50 → 25 → 13 → 7.
@pytest.mark.parametrize(
    ("height", "width", "grids"),
    [
        (40, 72, [(40, 72), (20, 36), (10, 18), (5, 9)]),
        (40, 64, [(40, 64), (20, 32), (10, 16), (5, 8)]),
        (50, 50, [(50, 50), (25, 25), (13, 13), (7, 7)]),
        (8, 8, [(8, 8), (4, 4), (2, 2), (1, 1)]),
    ],
)
def test_zeroscope_map(zeroscope, sites_of, height, width, grids):
    sites = sites_of(zeroscope, 24, height, width)
    assert [site.name for site in sites] == FORWARD_ORDER
    assert [site.level for site in sites] == [0, 0, 1, 1, 2, 2, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0]
    assert [site.section for site in sites] == ["down"] * 6 + ["mid"] + ["up"] * 9
    for site in sites:
        assert site.grid == grids[site.level]
        assert site.channels == (320, 640, 1280, 1280)[site.level]
        assert site.frames == 24
        assert site.attentions == ("attn1", "attn2")
        assert site.start is None


def test_published_position_counts(zeroscope, sites_of):
    # Value embeddings of the authors' code: 169 and 625 positions at 400x400 pixels, 180 and 720 at 576x320.
    assert {site.level: site.positions for site in sites_of(zeroscope, 24, 50, 50)} == {
        0: 2500,
        1: 625,
        2: 169,
        3: 49,
    }
    assert {site.level: site.positions for site in sites_of(zeroscope, 24, 40, 72)} == {
        0: 2880,
        1: 720,
        2: 180,
        3: 45,
    }


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 9)])
def test_grids_are_those_of_a_real_forward_pass(unet, sites_of, height, width):
    seen: dict[str, tuple[int, int]] = {}
    hooks = [
        module.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({f"{name}.transformer_blocks.0": tuple(inputs[0].shape[-2:])})
        )
        for name, module in unet.named_modules()
        if name.rpartition(".")[0].endswith(".temp_attentions")
    ]
    with torch.no_grad():
        unet(torch.zeros(1, 4, 2, height, width), 0, torch.zeros(1, 1, 16))
    for hook in hooks:
        hook.remove()
    assert [(site.name, site.grid) for site in sites_of(unet, 2, height, width)] == list(seen.items())


def test_the_model_and_the_random_state_are_not_touched(unet, sites_of):
    parameters = [(name, parameter.data_ptr(), parameter.device) for name, parameter in unet.named_parameters()]
    random_state = torch.get_rng_state()
    sites_of(unet, 3, 8, 8)
    assert [(name, p.data_ptr(), p.device) for name, p in unet.named_parameters()] == parameters
    assert not any(module._forward_pre_hooks for module in unet.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_empty_latents_are_refused(unet, sites_of):
    with pytest.raises(InputError, match=r"0 frames of 8x8.*model\.frames"):
        sites_of(unet, 0, 8, 8)
