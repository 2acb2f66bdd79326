"""Muon for the weight matrices and convolution kernels of a model, AdamW for everything else."""

from typing import Any

import torch
from torch import Tensor, nn

MATRIX_DECAY = 0.01


class MuonAdamW:
    """Orthogonalised momentum (Jordan et al. 2024) where a parameter maps features to features.

    Embedding tables, biases, norms, and the convolutions at either end of a model are AdamW's. Both share one
    learning rate: `match_rms_adamw` gives Muon's updates the size of Adam's.
    """

    def __init__(self, models: dict[str, nn.Module], rate: float, fused: bool) -> None:
        named = [item for model in models.values() for item in model.named_parameters()]
        self.matrices = [p for name, p in named if _maps_features(name, p)]
        kept = {id(p) for p in self.matrices}
        # torch's Muon takes matrices alone: it is given views of the kernels, flattened.
        self.views = [nn.Parameter(p.detach().flatten(1)) for p in self.matrices]
        assert all(v.data_ptr() == p.data_ptr() for v, p in zip(self.views, self.matrices, strict=True))
        self.rate, rest = rate, [p for _, p in named if id(p) not in kept]
        self.muon = torch.optim.Muon(self.views, lr=rate, weight_decay=MATRIX_DECAY, adjust_lr_fn="match_rms_adamw")
        self.adam = torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.99), weight_decay=0.01, fused=fused)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the learning rate."""
        for view, parameter in zip(self.views, self.matrices, strict=True):
            view.grad = _gradient(parameter).flatten(1)
        for optimizer in (self.muon, self.adam):
            for group in optimizer.param_groups:
                group["lr"] = self.rate * factor
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Of both."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Into both."""
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])


def _maps_features(name: str, parameter: nn.Parameter) -> bool:
    ends = ("conv_in", "conv_out", "embedding")
    return parameter.ndim >= 2 and not any(end in name for end in ends)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
