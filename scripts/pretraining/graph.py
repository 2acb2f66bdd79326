"""Fast training steps of small models: in bfloat16 where the machine has it, and on a GPU as CUDA graphs.

Small models are bound by kernel launches otherwise.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from motion_inversion.backbone.device import has_bfloat16


class Step:
    """`compute(*inputs) → loss`, then its gradients, for inputs of constant shape.

    On a GPU the first call records forward and backward as one graph and later calls replay it: gradients are
    written afresh each time. Elsewhere it is an ordinary step. Inputs that require gradients get them in `.grad`.
    """

    def __init__(self, compute: Callable[..., Tensor], modules: list[nn.Module], example: tuple[Tensor, ...]) -> None:
        self.compute, self.modules = compute, modules
        self.inputs = tuple(value.detach().clone().requires_grad_(value.requires_grad) for value in example)
        self.graph = torch.cuda.CUDAGraph() if example[0].is_cuda else None
        if self.graph is not None:
            self._record(self.graph)

    def _clear(self) -> None:
        for module in self.modules:
            module.zero_grad(set_to_none=True)
        for value in self.inputs:
            value.grad = None

    def _run(self) -> Tensor:
        # Casts of weights must be part of the graph, not left over from a cache.
        device, recorded = self.inputs[0].device.type, self.graph is not None
        with torch.autocast(device, torch.bfloat16, enabled=has_bfloat16(device), cache_enabled=not recorded):
            loss = self.compute(*self.inputs)
        loss.backward()
        return loss.detach()

    def _record(self, graph: torch.cuda.CUDAGraph) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._clear()
                self._run()
        torch.cuda.current_stream().wait_stream(stream)
        self._clear()
        with torch.cuda.graph(graph):
            self.loss = self._run()

    @torch.no_grad()
    def _fill(self, values: tuple[Tensor, ...]) -> None:
        for place, value in zip(self.inputs, values, strict=True):
            place.copy_(value)

    def __call__(self, *values: Tensor) -> Tensor:
        """The loss on `values`; gradients are in place afterwards."""
        self._fill(values)
        if self.graph is None:
            self._clear()
            return self._run()
        self.graph.replay()
        return self.loss


def choose_attention(batch: int, heads: int, length: int, width: int) -> str:
    """Times the attention kernels on one shape and keeps the fastest for the process."""
    kinds = {
        "flash": (SDPBackend.FLASH_ATTENTION, torch.backends.cuda.enable_flash_sdp),
        "efficient": (SDPBackend.EFFICIENT_ATTENTION, torch.backends.cuda.enable_mem_efficient_sdp),
        "cudnn": (SDPBackend.CUDNN_ATTENTION, torch.backends.cuda.enable_cudnn_sdp),
    }
    times = {}
    for name, (backend, _) in kinds.items():
        q, k, v = (
            torch.randn(batch, heads, length, width, device="cuda", dtype=torch.bfloat16, requires_grad=True)
            for _ in range(3)
        )
        try:
            with sdpa_kernel(backend):
                for repeat in range(8):
                    if repeat == 3:
                        torch.cuda.synchronize()
                        times[name] = -time.monotonic()
                    scaled_dot_product_attention(q, k, v).sum().backward()
                torch.cuda.synchronize()
                times[name] += time.monotonic()
        except RuntimeError:
            times[name] = float("inf")
    best = min(times, key=times.__getitem__)
    for name, (_, enable) in kinds.items():
        enable(name == best)
    return f"{best} { ({name: round(1e3 * t / 5, 2) for name, t in times.items()}) }"
