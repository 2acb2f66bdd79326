"""A random UNet of ZeroScope's topology, small enough for a CPU; every test leaves it as it was."""

from collections.abc import Callable, Sequence

import pytest
import torch
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

from motion_inversion.backbone import unet3d
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.factorised import find_sites
from motion_inversion.embedding.site import Site


def _random_embeddings(sites: Sequence[Site], query_key: bool = True, value: bool = True) -> MotionEmbeddings:
    embeddings = MotionEmbeddings.zeros(sites, query_key=query_key, value=value)
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in embeddings.parameters():
            parameter.normal_(generator=draws)
    return embeddings


@pytest.fixture(scope="session")
def random_embeddings() -> Callable[..., MotionEmbeddings]:
    """(sites, query_key=True, value=True) → embeddings of Gaussian values, all different."""
    return _random_embeddings


def _sites_of(unet: UNet3DConditionModel, frames: int, height: int, width: int) -> tuple[Site, ...]:
    return find_sites(unet, TransformerTemporalModel, unet3d._place, unet3d._run, (frames, height, width))


@pytest.fixture(scope="session")
def sites_of() -> Callable[..., tuple[Site, ...]]:
    """(unet, frames, height, width) → the sites of a video UNet for latents of a size."""
    return _sites_of


@pytest.fixture(scope="session")
def unet() -> UNet3DConditionModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = UNet3DConditionModel(
            block_out_channels=(16, 16, 32, 32),
            attention_head_dim=8,
            norm_num_groups=8,
            cross_attention_dim=16,
        )
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def sites(unet: UNet3DConditionModel) -> tuple[Site, ...]:
    """The sites of `unet` for latents of 4 frames of 8x12: no grid is square."""
    return _sites_of(unet, 4, 8, 12)


@pytest.fixture(scope="session")
def deep(sites: tuple[Site, ...]) -> tuple[Site, ...]:
    """The five down and up blocks of width 32."""
    return tuple(site for site in sites if site.channels == 32 and site.section != "mid")


@pytest.fixture
def embeddings(deep: tuple[Site, ...]) -> MotionEmbeddings:
    return _random_embeddings(deep)
