"""How a model in Wan's topology starts from one in CogVideoX's, and learns of it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from motion_inversion.storage.embedded import locate
from pretraining.denoiser import Denoiser, build_wan
from pretraining.diffusion import build_text_encoder
from pretraining.distillation import Recorder, Teacher, error_of_tokens

Batch = tuple[Tensor, Tensor, Tensor]


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher(Path(locate("embedded:shapes_dit")), "cpu")


@pytest.fixture(scope="module")
def wan() -> Denoiser:
    torch.manual_seed(0)
    return build_wan("cpu")


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Noisy latents, their sigma, and token ids."""
    tokenizer = CLIPTokenizer.from_pretrained(locate("embedded:shapes_shared/tokenizer"))
    prompts = ["a red square moving left on a plain blue ground"] * 2
    tokens = tokenizer(prompts, padding="max_length", max_length=32, return_tensors="pt").input_ids
    torch.manual_seed(0)
    return torch.randn(2, 12, 16, 8, 8), torch.tensor([0.7, 0.85]), tokens


def test_the_teachers_velocity_is_what_its_prediction_means(teacher: Teacher, batch: Batch) -> None:
    """At a level that both have, noisy = size·(n·clean + s·noise): velocity and v give one clip and one noise."""
    noisy, _, tokens = batch
    level = torch.tensor([500, 900])
    own = teacher.denoiser.sigma[level]
    n = (1 - own.square()).sqrt()
    sigma = own / (own + n)
    velocity, _ = teacher(noisy, sigma, tokens)
    s, n, straight = (each.view(-1, 1, 1, 1, 1) for each in (own, n, sigma))
    scaled = noisy * (s + n)
    with torch.no_grad():
        v = teacher.denoiser.predict(scaled, level, teacher.text(tokens).last_hidden_state)
    clean, noise = n * scaled - s * v, s * scaled + n * v
    assert torch.allclose(velocity, noise - clean, atol=2e-3)
    assert torch.allclose((1 - straight) * clean + straight * noise, noisy, atol=1e-4)


def test_a_start_from_the_teacher_has_its_tokens_nearly(teacher: Teacher, wan: Denoiser, batch: Batch) -> None:
    noisy, sigma, tokens = batch
    recorder = Recorder(wan.network.blocks)
    tokenizer = CLIPTokenizer.from_pretrained(locate("embedded:shapes_shared/tokenizer"))
    text = build_text_encoder(tokenizer).eval()
    velocity, taught = teacher(noisy, sigma, tokens)

    def errors() -> list[float]:
        with torch.no_grad():
            output = wan.predict(noisy, (1000 * sigma - 1).long(), text(tokens).last_hidden_state)
        found = error_of_tokens(recorder.stacked(), taught).item()
        first = error_of_tokens(recorder.stacked()[:2], taught[:2]).item()
        return [found, first, (output - velocity).square().mean().item()]

    before = errors()
    teacher.begin(wan.network, text)
    after = errors()
    assert before[0] > 0.9 and after[0] < 0.5 and after[1] < 0.2
    assert after[2] < 0.8 * before[2]


def test_tokens_as_taught_have_no_error_and_their_mean_has_one() -> None:
    taught = torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5, 9]).view(
        -1, 1, 1, 1
    )
    assert error_of_tokens(taught, taught).item() == 0
    mean = taught.mean((1, 2, 3), keepdim=True).expand_as(taught)
    assert error_of_tokens(mean, taught).item() == pytest.approx(1, abs=0.05)
