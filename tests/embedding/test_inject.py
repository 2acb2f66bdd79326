from contextlib import ExitStack

import pytest
import torch

from motion_inversion.core.error import InputError
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.site import find_sites


def denoise(unet, height: int = 8, width: int = 12, frames: int = 4) -> torch.Tensor:
    """One prediction for a batch of two clips, always the same."""
    draws = torch.Generator().manual_seed(5)
    latents = torch.randn(2, 4, frames, height, width, generator=draws)
    return unet(latents, 500, torch.randn(2, 3, 16, generator=draws)).sample


def hooked(unet, embeddings: MotionEmbeddings) -> torch.Tensor:
    """The same prediction by an independent route: hooks add tiled embeddings to the projections' inputs."""
    tensors = embeddings.tensors()
    with ExitStack() as stack:
        for site in embeddings.sites:
            for name in site.attentions:
                attention = unet.get_submodule(f"{site.name}.{name}")
                shared = tensors[f"{site.name}.query_key"].repeat(2 * site.positions, 1, 1)
                own = tensors[f"{site.name}.{name}.value"].repeat(2, 1, 1)
                for projection, shift in (
                    (attention.to_q, shared),
                    (attention.to_k, shared),
                    (attention.to_v, own),
                ):
                    hook = projection.register_forward_pre_hook(lambda _, args, shift=shift: (args[0] + shift,))
                    stack.callback(hook.remove)
        return denoise(unet)


@torch.no_grad()
def test_zero_embeddings_change_nothing(unet, sites):
    before = denoise(unet)
    with inject(unet, MotionEmbeddings.zeros(sites, query_key=True, value=True)):
        inside = denoise(unet)
    assert torch.equal(inside, before)


@torch.no_grad()
def test_every_embedding_reaches_its_own_projection(unet, sites, random_embeddings):
    # All different and on grids that are not square: exchanging any two, or rows and columns, would show.
    embeddings = random_embeddings(sites)
    expected = hooked(unet, embeddings)
    with inject(unet, embeddings):
        actual = denoise(unet)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    assert (actual - denoise(unet)).abs().max() > 1e-2


@torch.no_grad()
def test_exchanging_two_attentions_is_noticed(unet, embeddings, deep):
    first, second = (f"{deep[0].name}.{name}.value" for name in ("attn1", "attn2"))
    tensors = embeddings.tensors()
    swapped = MotionEmbeddings(deep, {**tensors, first: tensors[second], second: tensors[first]})
    with inject(unet, embeddings):
        right = denoise(unet)
    with inject(unet, swapped):
        wrong = denoise(unet)
    assert (right - wrong).abs().max() > 1e-4


def test_only_embeddings_get_gradients(unet, sites):
    embeddings = MotionEmbeddings.zeros(sites, query_key=True, value=True)
    keys = list(unet.state_dict())
    with inject(unet, embeddings):
        assert list(unet.state_dict()) == keys
        denoise(unet).square().mean().backward()
    assert all(parameter.grad is None for parameter in unet.parameters())
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in embeddings.parameters())


def test_a_step_down_the_gradient_lowers_the_loss(unet, deep):
    embeddings = MotionEmbeddings.zeros(deep, query_key=True, value=True)
    with inject(unet, embeddings):
        before = denoise(unet).square().mean()
        before.backward()
        with torch.no_grad():
            for parameter in embeddings.parameters():
                assert parameter.grad is not None
                parameter -= 10 * parameter.grad
            assert denoise(unet).square().mean() < before


@torch.no_grad()
def test_an_exception_restores_the_processors(unet, embeddings):
    before = dict(unet.attn_processors)
    with pytest.raises(RuntimeError), inject(unet, embeddings):
        assert unet.attn_processors != before
        raise RuntimeError
    assert unet.attn_processors == before
    assert not any(module._forward_pre_hooks for module in unet.modules())


@torch.no_grad()
def test_contexts_nest(unet, sites, random_embeddings):
    outer, inner = random_embeddings(sites[:2]), random_embeddings(sites[1:3])
    with inject(unet, inner):
        alone = denoise(unet)
    with inject(unet, outer):
        expected = denoise(unet)
        with inject(unet, MotionEmbeddings.zeros(sites[:2], query_key=True, value=True)), inject(unet, inner):
            assert torch.equal(denoise(unet), alone)
        assert torch.equal(denoise(unet), expected)


@torch.no_grad()
def test_a_wrong_grid_of_the_right_size_is_refused(unet, embeddings):
    # 12x8 latents have as many positions as 8x12, so nothing but the grid tells.
    with (
        inject(unet, embeddings),
        pytest.raises(InputError, match=r"grid of 2x3, the latents give 3x2.*model\.height"),
    ):
        denoise(unet, height=12, width=8)


@torch.no_grad()
def test_query_key_embeddings_fit_any_grid(unet, deep, random_embeddings):
    with inject(unet, random_embeddings(deep, value=False)):
        moved = denoise(unet, height=8, width=8)
    assert (moved - denoise(unet, height=8, width=8)).abs().max() > 1e-3


@torch.no_grad()
def test_another_number_of_frames_is_refused(unet, embeddings):
    with (
        inject(unet, embeddings),
        pytest.raises(InputError, match=r"4 frames, the latents have 3: model\.frames=4"),
    ):
        denoise(unet, frames=3)


def test_a_unet_without_the_sites_is_refused_and_left_alone(unet, embeddings):
    other = type(unet)(
        block_out_channels=(8, 16), down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"), attention_head_dim=8, norm_num_groups=8,
        cross_attention_dim=16, layers_per_block=1,
    )  # fmt: skip
    before = dict(other.attn_processors)
    with pytest.raises(InputError, match=r"down_blocks\.2\S+ of 32 channels, which this UNet lacks: model="):
        inject(other, embeddings).__enter__()
    narrow = MotionEmbeddings.zeros(find_sites(other, 4, 8, 8), query_key=True, value=True)
    with pytest.raises(InputError, match=r"of 8 channels, which this UNet lacks"):
        inject(unet, narrow).__enter__()
    assert other.attn_processors == before
