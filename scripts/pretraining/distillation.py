"""A trained model in CogVideoX's topology as the teacher of one in Wan's: its predictions, and its blocks' tokens."""

from pathlib import Path
from typing import Any

import torch
from diffusers import CogVideoXTransformer3DModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from motion_inversion.backbone.attention import attention
from pretraining.denoiser import build_dit
from pretraining.transplant import wan_from_cogvideox


class Recorder:
    """The video tokens that leave each block of a network in its last pass."""

    def __init__(self, blocks: Any) -> None:
        self.tokens: list[Tensor] = []
        for block in blocks:
            block.register_forward_hook(self._record)
        blocks[0].register_forward_pre_hook(lambda *_: self.tokens.clear())

    def _record(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self.tokens.append(output[0] if isinstance(output, tuple) else output)

    def stacked(self) -> Tensor:
        """Of all blocks (l, b, n, c)."""
        return torch.stack(self.tokens)


class Teacher:
    """What the model in `folder` knows of noised clips on a straight path."""

    def __init__(self, folder: Path, device: str) -> None:
        self.device, self.denoiser = device, build_dit(device)
        trained = CogVideoXTransformer3DModel.from_pretrained(folder / "transformer")
        self.denoiser.network.load_state_dict(trained.state_dict())
        self.network: Any = self.denoiser.network.eval()
        text: Any = CLIPTextModel.from_pretrained(folder / "text_encoder")
        self.text = text.to(device).eval()
        self.recorder = Recorder(self.network.transformer_blocks)

    def begin(self, network: nn.Module, text: nn.Module) -> None:
        """Fills a new model in Wan's topology, whose time is 1000 sigma, from this one."""
        text.load_state_dict(self.text.state_dict())
        sigma = torch.linspace(0.02, 1, 128, device=self.device)
        wan_from_cogvideox(network, self.network, self._level(sigma / _size(sigma)), 1000 * sigma)

    @torch.no_grad()
    def __call__(self, noisy: Tensor, sigma: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The velocity (b, c, f, h, w) at (1 - sigma)·clean + sigma·noise, and the tokens of all blocks.

        sigma: (b,). Divided by its size, such a clip is one of the teacher's own, at the noise level of the same ratio
        of noise to clip.
        """
        size = _size(sigma)
        own = sigma / size
        s, n = own.view(-1, 1, 1, 1, 1), (1 - own.square()).clamp(min=0).sqrt().view(-1, 1, 1, 1, 1)
        scaled = noisy / size.view(-1, 1, 1, 1, 1)
        prompt_embeds = self.text(tokens).last_hidden_state
        with attention(self.device, torch.bfloat16, checkpointing=False):
            v = self.denoiser.predict(scaled, self._level(own), prompt_embeds).float()
        # Of v = n·noise - s·clean and scaled = n·clean + s·noise: noise - clean.
        return (s - n) * scaled + (n + s) * v, self.recorder.stacked()

    def _level(self, own: Tensor) -> Tensor:
        """Where between two of the teacher's noise levels its sigma is `own` (b,)."""
        table = self.denoiser.sigma
        above = torch.searchsorted(table, own).clamp(1, len(table) - 1)
        low, high = table[above - 1], table[above]
        return above - 1 + ((own - low) / (high - low)).clamp(0, 1)


def _size(sigma: Tensor) -> Tensor:
    """Of (1 - sigma)·clean + sigma·noise, where clean and noise have size 1."""
    return (sigma.square() + (1 - sigma).square()).sqrt()


def error_of_tokens(tokens: Tensor, taught: Tensor) -> Tensor:
    """Mean over blocks of the squared error, as a share of the variance of what is taught (l, b, n, c)."""
    error = (tokens.float() - taught.float()).square().flatten(1).mean(1)
    return (error / taught.float().flatten(1).var(1)).mean()
