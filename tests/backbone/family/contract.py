"""What every family of models is asked, on a tiny random folder in its real layout."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from motion_inversion.backbone import autoencoder
from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.peak import Peak, as_on, backward
from motion_inversion.backbone.twin import META, Twin
from motion_inversion.core.condition import Condition
from motion_inversion.core.sampler import Ddim
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment

Compose = Callable[..., Experiment]


class FamilyContract:
    """A subclass says how to write a folder, and with which overrides its model's file fits it.

    model: the option of `model=`. overrides: beside model.path. t: a noise level between the ends. fused: whether torch
    has attention kernels for its masks on a CPU; without, it holds matrices there that no GPU holds.
    """

    model: ClassVar[str]
    overrides: ClassVar[tuple[str, ...]]
    t: ClassVar[int] = 500
    fused: ClassVar[bool] = True

    def write(self, folder: Path) -> None:
        """A tiny random folder."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp(self.model)
        self.write(folder)
        return folder

    @pytest.fixture(scope="class")
    def words(self, folder: Path) -> tuple[str, ...]:
        return (
            f"model={self.model}",
            f"model.path={folder}",
            "model.dtype=float32",
            "model.device=cpu",
            *self.overrides,
        )

    @pytest.fixture(scope="class")
    def backbone(self, words: tuple[str, ...], compose_model: Callable[..., Model]) -> Backbone:
        return compose_model(*words).load()

    def test_a_clip_goes_through_every_stage(
        self, words: tuple[str, ...], call: Callable[..., int], tmp_path: Path
    ) -> None:
        own = ("sampler.guidance=2", "trainer.max_steps=2", "method.layout.value_grid=2", "model.checkpointing=true")
        assert call(tmp_path / "out", *words, *own) == 0
        stages = {path.parent.name for path in (tmp_path / "out").rglob("manifest.json") for path in path.parents}
        assert {"prepare", "train", "generate", "evaluate"} <= stages
        assert [*(tmp_path / "out").rglob("motion_embeddings.safetensors")]

    def test_zero_embeddings_change_no_bit_and_leave_no_trace(self, backbone: Backbone) -> None:
        before, state = ask(backbone), {*backbone.network.state_dict()}
        with inject(backbone.network, MotionEmbeddings.zeros(backbone.sites(), query_key=True, value=True)):
            assert torch.equal(ask(backbone), before)
        moved = drawn(backbone.sites())
        with inject(backbone.network, moved):
            assert not torch.equal(ask(backbone), before)
        assert torch.equal(ask(backbone), before)
        assert {*backbone.network.state_dict()} == state

    def test_gradients_reach_every_embedding(self, backbone: Backbone) -> None:
        embeddings = drawn(backbone.sites())
        with inject(backbone.network, embeddings), backbone.checkpointed():
            torch.stack([ask(backbone, t).square().mean() for t in (100, 900)]).sum().backward()
        assert all(parameter.grad is not None and parameter.grad.any() for parameter in embeddings.parameters())
        assert not any(parameter.grad is not None for parameter in backbone.network.parameters())

    def test_sites_begin_where_the_video_does(self, backbone: Backbone) -> None:
        """One latent changed is one token changed: that of its place, as far as the site says."""
        site, (frame, row, column) = backbone.sites()[0], (-1, -1, 0)
        plain, changed = latents(backbone), latents(backbone)
        changed[:, :, frame, row, column] += 1
        seen = [entering(backbone, site, each, self.t) for each in (plain, changed)]
        [places] = torch.nonzero((seen[0] != seen[1]).any(dim=-1).view(-1), as_tuple=True)
        last = (site.frames - 1, site.grid[0] - 1, 0)
        if site.start is None:  # a sequence for each position, frames along it; a convolution may spread the change
            index = (last[1] * site.grid[1] + last[2]) * site.frames + last[0]
            assert index in places.tolist()
        else:
            index = site.start + (last[0] * site.grid[0] + last[1]) * site.grid[1] + last[2]
            assert places.tolist() == [index]

    def test_clips_of_a_batch_know_nothing_of_each_other(self, backbone: Backbone) -> None:
        one, other = latents(backbone), latents(backbone, seed=1)
        told = backbone.embed(["a red star", "a"])
        t = torch.tensor([self.t, self.t - 400])
        with torch.no_grad():
            both = backbone.predict(torch.cat([one, other]), t, told)
            alone = [
                backbone.predict(clip, time, each)
                for clip, time, each in zip((one, other), t.split(1), told.split(), strict=True)
            ]
        torch.testing.assert_close(both, torch.cat(alone), atol=1e-4, rtol=1e-4)

    def test_what_is_encoded_is_decoded_to_as_many_frames(self, backbone: Backbone) -> None:
        config = backbone.config
        clip = torch.randint(0, 255, (config.frames, config.height, config.width, 3), dtype=torch.uint8).numpy()
        found = backbone.encode(clip)
        assert found.shape == backbone.latent_shape
        assert backbone.decode(found).shape == clip.shape

    def test_a_clip_of_any_length_that_passes_comes_back_whole(self, backbone: Backbone) -> None:
        config, vae = backbone.config, backbone.part("vae")
        for frames in [count for count in range(2, 50) if self.takes(config, count)][:6]:
            clip = torch.randint(0, 255, (frames, config.height, config.width, 3), dtype=torch.uint8).numpy()
            found = autoencoder.encode(vae, clip, config.chunk)
            assert autoencoder.decode(vae, found, config.chunk).shape == clip.shape

    @staticmethod
    def takes(config: Model, frames: int) -> bool:
        """Whether a clip of so many frames is accepted."""
        try:
            config.family.check(frames, config.width, config.height)
        except InputError:
            return False
        return True

    def test_a_twin_without_numbers_needs_what_the_model_needs(self, backbone: Backbone) -> None:
        twin = Twin(backbone.config)
        assert twin.sites() == backbone.sites()
        (weights, most), (held, real) = step_peak(twin), step_peak(backbone)
        assert weights == held
        # Words of a mask can't be counted without numbers, so that all of them are.
        assert 0.95 * real < most < 1.5 * real or (not self.fused and most < real)

    def test_inversion_leads_back_where_predictions_agree(self, backbone: Backbone) -> None:
        process, clean = backbone.process, latents(backbone)
        fixed = latents(backbone, seed=3)
        noisy = clean
        for t, following in reversed(process.transitions(10)):
            noisy = process.unstep(noisy, fixed, following, t)
        for t, following in process.transitions(10):
            noisy = process.step(noisy, fixed, t, following)
        torch.testing.assert_close(noisy, clean, atol=2e-4, rtol=0)


def step_peak(backbone: Backbone) -> tuple[int, int]:
    """Bytes of the weights, and the peak of a training step of embeddings in all blocks."""
    network, device = backbone.network, backbone.device
    with device:
        embeddings = Layout(["all"], True, True).zeros(backbone.sites())
    peak, condition = Peak(device), told(backbone)
    peak.hold(network.parameters())
    weights = peak.now
    peak.hold([*network.buffers(), *embeddings.parameters()])
    with peak, inject(network, embeddings), as_on("cpu") if device == META else nullcontext():
        loss = (
            backbone.predict(torch.empty(backbone.latent_shape, device=device).zero_(), 500, condition).square().mean()
        )
        (backward if device == META else torch.autograd.backward)(loss)
    return weights, peak.most


def latents(backbone: Backbone, seed: int = 0) -> Tensor:
    """Gaussian latents of one clip."""
    return torch.randn(backbone.latent_shape, generator=torch.Generator().manual_seed(seed))


def ask(backbone: Backbone, t: int = 500) -> Tensor:
    """A prediction for one clip."""
    return backbone.predict(latents(backbone), t, told(backbone))


def sampled(backbone: Backbone, noise: Tensor, guidance: float) -> Tensor:
    """The latents of four guided steps from noise, as pipelines of diffusers are asked for them."""
    condition, negative = told(backbone), backbone.embed([""])

    def denoise(noisy: Tensor, t: float) -> Tensor:
        return backbone.guided(noisy, t, condition, negative, guidance)

    return Ddim(4).sample(backbone.process, denoise, noise)


def told(backbone: Backbone) -> Condition:
    """What a prompt tells the model."""
    return backbone.embed(["a red star"])


def drawn(sites: tuple[Site, ...]) -> MotionEmbeddings:
    """Embeddings of Gaussian values."""
    embeddings = MotionEmbeddings.zeros(sites, query_key=True, value=True)
    draws = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in embeddings.parameters():
            parameter.normal_(generator=draws)
    return embeddings


@contextmanager
def _watching(module: Any, seen: list[Tensor]) -> Iterator[None]:
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def entering(backbone: Backbone, site: Site, noisy: Tensor, t: int) -> Tensor:
    """What the query projection of a site's first attention is given."""
    seen: list[Tensor] = []
    with _watching(backbone.network.get_submodule(f"{site.name}.{site.attentions[0]}.to_q"), seen):
        backbone.predict(noisy, t, told(backbone))
    return seen[0]
