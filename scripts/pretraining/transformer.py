"""Trains a text encoder and a transformer together on latents of the stream: the phases "dit" and "wan"."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from motion_inversion.backbone.attention import attention
from pretraining.denoiser import BUILD
from pretraining.diffusion import Pool, State, build_text_encoder, spread
from pretraining.distillation import Recorder, Teacher, error_of_tokens
from pretraining.graph import Step
from pretraining.lesson import Lesson
from pretraining.optimizer import MuonAdamW
from pretraining.processes import rank
from pretraining.progress import Average, Budget, Log

FRAMES = 16


def train(
    folder: Path,
    kind: str,
    lesson: Lesson,
    budget: Budget,
    device: str,
    workers: int,
    batch: int,
    rate: float,
    pool: int,
    teacher: Path | None = None,
    start: Path | None = None,
) -> None:
    """Trains to the budget's end or pause; saves a resumable state and the averaged model in `folder`/`kind`.

    The loss is the mean squared error of what the network predicts (v, velocity), which weighs the high noise levels,
    where paths are decided, as they should be. With the folder of a `teacher`, a new training starts from its weights,
    and learns its predictions, which have no noise, and its blocks' tokens instead.
    A new training begins with the weights of the model in `start`, of the same topology.
    """
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    trained = BUILD[kind](device)
    network, text = trained.network.eval(), build_text_encoder(tokenizer).eval()
    text.to(torch.device(device))  # pyright: ignore[reportArgumentType]
    taught = Teacher(teacher, device) if teacher else None
    recorder = Recorder(network.blocks) if taught else None
    if taught:
        taught.begin(network, text)
    if start:
        topology: Any = type(network)
        network.load_state_dict(topology.from_pretrained(start / trained.part).state_dict())
        text.load_state_dict(CLIPTextModel.from_pretrained(start / "text_encoder").state_dict())
    models: dict[str, nn.Module] = {trained.part: network, "text_encoder": text}
    average = Average(models, 0.999)
    optimizer = MuonAdamW(models, rate, fused=device != "cpu")
    place = folder / kind
    place.mkdir(exist_ok=True)
    kept = State(place, models, average, optimizer, budget)
    kept.resume()
    torch.manual_seed(budget.step + 10**9 * rank())
    clips = Pool(folder, device, workers, pool, 32 if device != "cpu" else 2, budget.step, lesson)
    log = Log(place / "log.jsonl", budget)

    def compute(noisy: Tensor, t: Tensor, prompt_embeds: Tensor, target: Tensor, *tokens: Tensor) -> Tensor:
        with attention(device, torch.bfloat16, checkpointing=False):
            output = trained.predict(noisy, t, prompt_embeds)
        loss = (output.float() - target).square().mean()
        return loss + error_of_tokens(recorder.stacked(), *tokens) if recorder else loss

    once: Step | None = None
    total, saved = torch.zeros((), device=device), budget.elapsed
    for step in budget:
        clips.refresh()
        latents, tokens = clips.draw(batch, FRAMES)
        t = lesson.place(spread(len(latents))).mul(len(trained.sigma)).long().to(device)
        noise = torch.randn_like(latents)
        signal, sigma = (table[t].view(-1, 1, 1, 1, 1) for table in (trained.signal, trained.sigma))
        text.zero_grad(set_to_none=True)
        prompt_embeds = text(tokens).last_hidden_state
        if trained.pads_with_zeros:
            prompt_embeds = prompt_embeds * _until_end(tokens, tokenizer.eos_token_id)
        noisy = signal * latents + sigma * noise
        goal = taught(noisy, trained.sigma[t], tokens) if taught else (trained.target(latents, noise, signal, sigma),)
        inputs = (noisy, t, prompt_embeds, *goal)
        once = once or Step(compute, [network], inputs)
        total += once(*inputs)
        prompt_embeds.backward(once.inputs[2].grad)
        kept.advance(step)
        if step % 100 == 99 and rank() == 0:
            log(loss=total.item() / 100)
            total.zero_()
            if budget.elapsed - saved > 120:
                saved = budget.elapsed
                kept.save()
    kept.finish(trained.scheduler)


def _until_end(tokens: Tensor, end: int) -> Tensor:
    """1 up to the first token `end`, with it, and 0 behind it, where padding is (b, l, 1)."""
    ends = (tokens == end).int()
    return (ends.cumsum(1) == ends).float().unsqueeze(-1)
