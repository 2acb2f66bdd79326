"""Wan on tiny random folders: one transformer, and two experts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import FamilyContract, ask, drawn, latents, told
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from tiny import WIDTH, seeded, t5, t5_tokenizer, write_parts
from transformers import UMT5Config, UMT5EncoderModel

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.scheduler import flow_of
from motion_inversion.backbone.wan import Wan
from motion_inversion.core.sampler import Ddim
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from motion_inversion.error import InputError

TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": WIDTH,
    "freq_dim": 16,
    "ffn_dim": 16,
    "num_layers": 3,
    "rope_max_seq_len": 32,
}
AUTOENCODER: dict[str, Any] = {
    "base_dim": 4,
    "z_dim": 4,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "latents_mean": [0.1, 0.2, 0.3, 0.4],
    "latents_std": [1.5, 1.0, 0.5, 2.0],
}


def _write(folder: Path, experts: bool) -> None:
    kinds = [(WanTransformer3DModel, TRANSFORMER)] * (1 + experts)
    vae, *transformers = seeded((AutoencoderKLWan, AUTOENCODER), *kinds)
    names = ["transformer", "transformer_2"][: len(transformers)]
    parts = {
        "tokenizer": t5_tokenizer(),
        "text_encoder": t5(UMT5EncoderModel, UMT5Config),
        "vae": vae,
        **dict(zip(names, transformers, strict=True)),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, final_sigmas_type="zero"
        ),
    }
    write_parts(folder, "WanPipeline", parts, **({"boundary_ratio": 0.875} if experts else {}))


def _require_sampling_of_the_pipeline(backbone: Backbone, folder: Path) -> None:
    """Its multistep scheduler in the first order takes the steps of Euler, as ours does; it tells the network whole
    times."""
    pipeline: Any = WanPipeline.from_pretrained(folder)
    first_order = {"solver_order": 1, "disable_corrector": [*range(4)]}
    pipeline.scheduler = UniPCMultistepScheduler.from_config(pipeline.scheduler.config, **first_order)
    noise, condition, negative = latents(backbone), told(backbone), backbone.embed([""])
    expected = pipeline(
        prompt_embeds=condition["prompt_embeds"],
        negative_prompt_embeds=negative["prompt_embeds"],
        num_frames=9,
        height=32,
        width=32,
        num_inference_steps=4,
        guidance_scale=4.0,
        latents=noise,
        output_type="latent",
    ).frames

    def denoise(noisy: torch.Tensor, t: float) -> torch.Tensor:
        return backbone.guided(noisy, int(t + 1 + 1e-3) - 1, condition, negative, 4.0)

    torch.testing.assert_close(Ddim(4).sample(backbone.process, denoise, noise), expected, atol=1e-4, rtol=1e-4)


class TestWan(FamilyContract):
    model = "wan"
    overrides = ("model.frames=9", "model.width=32", "model.height=32")

    def write(self, folder: Path) -> None:
        _write(folder, experts=False)

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        _require_sampling_of_the_pipeline(backbone, folder)

    def test_padding_is_zero_to_the_transformer(self, backbone: Backbone) -> None:
        embeds = told(backbone)["prompt_embeds"]
        assert embeds.shape[1] == 512
        words = len("a red star") + 2  # a mark ahead, and one at the end
        assert embeds[:, :words].any() and not embeds[:, words:].any()

    def test_latents_have_the_mean_and_deviation_of_each_channel_taken_out(self, backbone: Backbone) -> None:
        clip = torch.zeros(9, 32, 32, 3, dtype=torch.uint8).numpy()
        vae = backbone.part("vae")
        raw = vae.encode(torch.full((1, 3, 9, 32, 32), -1.0)).latent_dist.mean
        mean, std = (torch.tensor(AUTOENCODER[f"latents_{name}"]).view(1, -1, 1, 1, 1) for name in ("mean", "std"))
        torch.testing.assert_close(backbone.encode(clip), (raw - mean) / std)

    def test_its_answer_is_that_of_the_transformer_at_sigma_times_1000(self, backbone: Backbone) -> None:
        transformer, embeds = backbone.part("transformer"), told(backbone)["prompt_embeds"]
        expected = transformer(latents(backbone), torch.tensor([501]), embeds, return_dict=False)[0]
        assert torch.equal(ask(backbone, 500), expected)


class TestWanOfTwoExperts(FamilyContract):
    model = "wan_2_2"
    overrides = ("model.frames=9", "model.width=32", "model.height=32")
    t = 950  # the first site is of the expert for high noise

    def write(self, folder: Path) -> None:
        _write(folder, experts=True)

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        _require_sampling_of_the_pipeline(backbone, folder)

    def test_experts_share_the_noise_levels_at_the_boundary(self, backbone: Backbone) -> None:
        high, low = (
            backbone.part(name)(latents(backbone), torch.tensor([time]), told(backbone)["prompt_embeds"])[0]
            for name, time in (("transformer", 875), ("transformer_2", 874))
        )
        assert torch.equal(ask(backbone, 874), high) and torch.equal(ask(backbone, 873), low)

    def test_embeddings_can_live_in_the_expert_for_high_noise_alone(self, backbone: Backbone) -> None:
        sites = tuple(site for site in backbone.sites() if site.section == "high")
        assert len(sites) == TRANSFORMER["num_layers"] == len(backbone.sites()) / 2
        plain = ask(backbone, 900), ask(backbone, 500)
        with inject(backbone.network, drawn(sites)):
            assert not torch.equal(ask(backbone, 900), plain[0])
            assert torch.equal(ask(backbone, 500), plain[1])

    @pytest.mark.parametrize(("expert", "span"), [("high", (874, 999)), ("low", (0, 873))])
    def test_steps_that_ask_no_embedded_block_are_refused(
        self, words: tuple[str, ...], call: Callable[..., int], tmp_path: Path, capsys: Any, expert: str, span: Any
    ) -> None:
        low, high = span[0], span[1] + 1
        layout = f"method.layout.blocks=[{expert}]"
        assert call(tmp_path / "out", *words, layout, "stages=[prepare]") == 0
        capsys.readouterr()
        assert call(tmp_path / "out", *words, layout, "stages=[prepare,train]") == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert f"at timesteps {low} to {span[1]} alone" in told
        assert f"timestep=range method.timestep.low={low} method.timestep.high={high}" in told
        trained = ("timestep=range", f"method.timestep.low={low}", f"method.timestep.high={high}")
        assert call(tmp_path / "out", *words, layout, *trained, "stages=[prepare,train]") == 0

    def test_a_loss_that_no_prediction_can_change_is_refused(
        self, words: tuple[str, ...], call: Callable[..., int], tmp_path: Path, capsys: Any
    ) -> None:
        alone = ("timestep=range", "method.timestep.low=999", "method.timestep.high=1000")  # noise alone
        stages = "stages=[prepare,train]"
        assert call(tmp_path / "out", *words, *alone, "loss=vmc", "method.loss.on=noise", stages) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert "method.loss.on=noise at timesteps 999 to 999: the network's prediction says nothing of it" in told
        assert not (tmp_path / "out").exists()

    def test_thirds_are_of_each_expert(self, backbone: Backbone) -> None:
        early = Layout(["early"], True, True).select(backbone.sites())
        assert {site.section for site in early} == {"high", "low"}

    def test_embeddings_of_an_expert_are_read_as_they_were_written(self, backbone: Backbone, tmp_path: Path) -> None:
        embeddings = drawn(backbone.sites())
        embeddings.save(tmp_path / "embeddings.safetensors", {})
        assert MotionEmbeddings.load(tmp_path / "embeddings.safetensors").sites == backbone.sites()


def test_a_scheduler_of_another_prediction_is_refused() -> None:
    scheduler = UniPCMultistepScheduler(use_flow_sigmas=False, prediction_type="epsilon")
    with pytest.raises(InputError, match="isn't set to flow matching.*use_flow_sigmas to true"):
        flow_of(scheduler)


@pytest.mark.parametrize(("frames", "near"), [(16, "13 and 17"), (24, "21 and 25"), (2, "5")])
def test_lengths_that_the_autoencoder_would_cut_are_refused(frames: int, near: str) -> None:
    with pytest.raises(InputError, match=f"model.frames={frames}.*nearest are {near}"):
        Wan().check(frames, 512, 320)


@pytest.mark.parametrize(
    ("index", "removed", "told"),
    [
        ({"boundary_ratio": "high"}, "", "boundary_ratio='high'; accepted are numbers between 0 and 1"),
        ({"boundary_ratio": 875}, "", "boundary_ratio=875; accepted"),
        ({"boundary_ratio": None}, "", "has transformer_2/, and no boundary_ratio in its index"),
        ({}, "transformer_2", "has no transformer_2/, which its boundary_ratio asks for"),
    ],
)
def test_experts_and_their_boundary_go_together(
    index: dict[str, object], removed: str, told: str, tmp_path: Path, compose_model: Callable[..., Model]
) -> None:
    _write(tmp_path, experts=True)
    described = json.loads((tmp_path / "model_index.json").read_text()) | index
    (tmp_path / "model_index.json").write_text(json.dumps(described))
    if removed:
        shutil.rmtree(tmp_path / removed)
    size = ("model.frames=9", "model.width=32", "model.height=32")
    model = compose_model("model=wan_2_2", f"model.path={tmp_path}", *size, "model.device=cpu").load()
    with pytest.raises(InputError, match=told):
        model.sites()
