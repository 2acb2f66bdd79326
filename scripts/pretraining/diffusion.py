"""Trains the text encoder and the video UNet together on latents of the stream."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from motion_inversion.backbone.device import has_bfloat16
from motion_inversion.backbone.temporal_convolution import specialise
from motion_inversion.data.shapes.render import render
from pretraining.autoencoder import LATENT_CHANNELS
from pretraining.graph import Step, choose_attention
from pretraining.lesson import UNET, Lesson
from pretraining.optimizer import MuonAdamW
from pretraining.processes import average_gradients, rank
from pretraining.progress import Average, Budget, Log
from pretraining.stream import SceneStream
from pretraining.vocabulary import CONTEXT

WIDTH = 96  # of the text encoder
MIN_SNR = 5.0
CAPTION_DROPOUT = 0.1
MAX_WEIGHT = 200.0
# Steps take turns: frames of a clip, and how many times `batch` of them. Motion is learnt from whole clips, the
# meaning of captions from many single frames at a fraction of the cost.
STEPS = ((16, 1), (16, 1), (16, 1), (16, 1), (1, 8))

# What the video UNet and the image UNet have in common; diffusers reads attention_head_dim in two ways.
TOPOLOGY: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "block_out_channels": (32, 48, 64, 64),
    "layers_per_block": 2,
    "norm_num_groups": 8,
    "cross_attention_dim": WIDTH,
}


def build_unet() -> UNet3DConditionModel:
    """ZeroScope's four-level topology with its 16 temporal transformers, at a small width."""
    return UNet3DConditionModel(**TOPOLOGY, attention_head_dim=8)


def build_text_encoder(tokenizer: Any) -> CLIPTextModel:
    """Two layers over the world's vocabulary."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=6,
        max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def build_scheduler(**changes: Any) -> DDIMScheduler:
    """The noise schedule of ZeroScope and Stable Diffusion, with `changes`."""
    options: dict[str, Any] = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    return DDIMScheduler(**options | changes)


def build_video_scheduler() -> DDIMScheduler:
    """ZeroScope's schedule, but noisier at its end, and sampled from there.

    Sampling starts from noise alone. ZeroScope's starts it at a level where training always left something of the
    clip (√ᾱ = 0.07 at the last level, more at the first of few "leading" steps), which over 16 frames is enough to
    tell its path (arXiv 2305.08891). Here √ᾱ ends at 0.03: √ᾱ = 0 would need another prediction than ε.
    """
    return build_scheduler(beta_end=0.016, timestep_spacing="trailing")


class Pool:
    """Encoded clips in a ring: every step replaces a few, so that one encoding serves several steps."""

    def __init__(
        self, folder: Path, device: str, workers: int, size: int, fresh: int, start: int, lesson: Lesson
    ) -> None:
        self.device, self.size, self.fresh, self.place, self.lesson = device, size, fresh, 0, lesson
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        vae: Any = AutoencoderKL.from_pretrained(folder / "vae")
        self.vae = vae.to(device, memory_format=torch.channels_last).eval()
        stream = SceneStream(3 + 1000 * rank(), fresh, 16, start, lesson.mixture, lesson.dropped)
        self.stream = iter(stream.loader(workers))
        self.latents = torch.zeros(size, LATENT_CHANNELS, 16, 8, 8, dtype=torch.float16, device=device)
        self.tokens = torch.zeros(size, CONTEXT, dtype=torch.long, device=device)
        self.shares = torch.zeros(size, device=device)
        self.empty = self.tokenize([""])[0]
        for _ in range(size // fresh):
            self.refresh()

    def tokenize(self, captions: list[str]) -> Tensor:
        """Token ids padded to the context."""
        padded = self.tokenizer(captions, padding="max_length", max_length=CONTEXT, return_tensors="pt")
        return padded.input_ids.to(self.device)

    @torch.no_grad()
    def refresh(self) -> None:
        """Puts the stream's next batch in the place of the oldest."""
        captioned = next(self.stream)
        video = render(captioned.batch.map(lambda value: value.to(self.device)))
        with torch.autocast(self.device, torch.bfloat16, enabled=has_bfloat16(self.device)):
            frames = (2 * video.flatten(0, 1) - 1).contiguous(memory_format=torch.channels_last)
            latent = self.vae.encode(frames).latent_dist.mean
        place = slice(self.place, self.place + self.fresh)
        self.latents[place] = latent.unflatten(0, video.shape[:2]).transpose(1, 2).half()
        self.tokens[place] = self.tokenize(captioned.captions)
        self.shares[place] = torch.tensor([self.lesson.share(scene) for scene in captioned.scenes])
        self.place = (self.place + self.fresh) % self.size

    def draw(self, batch: int, frames: int) -> tuple[Tensor, Tensor]:
        """Latents and token ids of random clips, thinned out evenly to `frames` frames."""
        index = torch.multinomial(self.shares, batch, replacement=True)
        dropped = torch.rand(batch, 1, device=self.device) < CAPTION_DROPOUT
        stride = 16 // frames
        kept = torch.arange(frames, device=self.device) * stride + torch.randint(stride, (batch, 1), device=self.device)
        latents = self.latents[index].float().transpose(1, 2)[torch.arange(batch)[:, None], kept].transpose(1, 2)
        return latents, torch.where(dropped, self.empty, self.tokens[index])


def train(folder: Path, budget: Budget, device: str, workers: int, batch: int, rate: float, pool: int) -> None:
    """Trains to the budget's end or pause; saves a resumable state and the averaged model in `folder`."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    # Evaluation mode switches off the dropout in the temporal convolutions: the data never repeat.
    unet, text = build_unet().eval(), build_text_encoder(tokenizer).eval()
    models: dict[str, nn.Module] = {"unet": unet, "text_encoder": text}
    for model in models.values():
        model.to(device)
    specialise(unet)
    if device == "cpu":
        unet.set_default_attn_processor()  # plain products: on a CPU SDPA is slower for sequences this short
    average = Average(models, 0.997)
    optimizer = MuonAdamW(models, rate, fused=device != "cpu")
    kept = State(folder, models, average, optimizer, budget)
    kept.resume()
    torch.manual_seed(budget.step + 10**9 * rank())
    clips = Pool(folder, device, workers, pool, 32 if device != "cpu" else 2, budget.step, UNET)
    log = Log(folder / "unet.jsonl", budget)
    if device != "cpu":
        log(attention=choose_attention(64 * batch, 4, 16, 8))
    scheduler: Any = build_video_scheduler()
    weights = loss_weights(scheduler.alphas_cumprod, MAX_WEIGHT).to(device)

    def compute(noisy: Tensor, t: Tensor, states: Tensor, noise: Tensor) -> Tensor:
        output = unet(noisy, t, encoder_hidden_states=states, return_dict=False)[0]
        return weighted_error(output, noise, weights[t])

    once: dict[int, Step] = {}
    total, saved = torch.zeros((), device=device), budget.elapsed
    for step in budget:
        clips.refresh()
        frames, times = STEPS[step % len(STEPS)]
        latents, tokens = clips.draw(times * batch, frames)
        t = UNET.place(spread(len(latents))).mul(len(weights)).long().to(device)
        noise = torch.randn_like(latents)
        noisy = scheduler.add_noise(latents, noise, t)
        text.zero_grad(set_to_none=True)
        states = text(tokens).last_hidden_state
        inputs = (noisy, t, states, noise)
        if frames not in once:
            once[frames] = Step(compute, [unet], inputs)
        total += once[frames](*inputs)
        states.backward(once[frames].inputs[2].grad)
        kept.advance(step)
        if step % 100 == 99 and rank() == 0:
            log(loss=total.item() / 100)
            total.zero_()
            if budget.elapsed - saved > 120:
                saved = budget.elapsed
                kept.save()
    kept.finish(scheduler)


def spread(count: int) -> Tensor:
    """`count` numbers in [0, 1), each uniform, together spread evenly."""
    return (torch.rand(()) + torch.arange(count)).div(count)


def weighted_error(prediction: Tensor, noise: Tensor, weights: Tensor) -> Tensor:
    """The mean over samples (n, …) of their weighted squared errors."""
    error = (prediction.float() - noise).square().mean(dim=tuple(range(1, noise.ndim)))
    return (error * weights).mean()


def loss_weights(alphas: Tensor, most: float) -> Tensor:
    """Weight of the squared error of ε at every noise level: of v's error at high noise, min-SNR at low noise.

    The error of v is that of ε times (SNR + 1) / SNR. Without the factor the highest levels, where colours and
    paths are decided, count for next to nothing: there the whole picture is a hundredth of what ε must predict.
    """
    ratio = alphas / (1 - alphas)
    return (MIN_SNR / ratio).clamp(max=1) * ((ratio + 1) / ratio).clamp(max=most)


@dataclass(frozen=True, eq=False)
class State:
    """All that a training goes on from, kept in `folder`/state.pt."""

    folder: Path
    models: dict[str, nn.Module]
    average: Average
    optimizer: MuonAdamW
    budget: Budget

    def advance(self, step: int) -> None:
        """One step of the optimizer with all processes' gradients, clipped, and of the average."""
        parameters = [p for model in self.models.values() for p in model.parameters()]
        average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimizer.step(self.budget.rate())
        self.average.update(step)

    def finish(self, scheduler: Any) -> None:
        """Saves the state, then the averaged models and their scheduler; the first process alone does."""
        if rank() > 0:
            return
        self.save()
        self.average.swap()
        for name, model in self.models.items():
            model.save_pretrained(self.folder / name)  # pyright: ignore[reportCallIssue]
        scheduler.save_pretrained(self.folder / "scheduler")

    def save(self) -> None:
        state = {name: model.state_dict() for name, model in self.models.items()}
        state |= {"average": self.average.shadow, "optimizer": self.optimizer.state_dict()}
        state |= {"step": self.budget.step, "spent": self.budget.elapsed}
        torch.save(state, self.folder / "state.partial")
        (self.folder / "state.partial").rename(self.folder / "state.pt")

    def resume(self) -> None:
        if not (self.folder / "state.pt").exists():
            return
        state = torch.load(self.folder / "state.pt", weights_only=True, map_location="cpu")
        for name, model in self.models.items():
            model.load_state_dict(state[name])
        with torch.no_grad():
            for shadow, saved in zip(self.average.shadow, state["average"], strict=True):
                shadow.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.budget.step, self.budget.spent = state["step"], state["spent"]
