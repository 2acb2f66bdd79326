"""What a run takes of memory at its peaks, stage by stage, by running its networks without numbers."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from motion_inversion.backbone.attention import attention
from motion_inversion.backbone.autoencoder import to_latents, to_pixels
from motion_inversion.backbone.peak import Peak, as_on, backward
from motion_inversion.backbone.twin import META, Twin
from motion_inversion.core.condition import Condition
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training.setting import made_optimizer
from motion_inversion.method.training.trainer import precision
from motion_inversion.reflection.description import describe
from motion_inversion.stage.address import Address

PROCESS = 2**30
"""Bytes that a process on a CPU holds beside its tensors: Python, torch and the libraries."""
_LEVEL = 500  # a noise level; which one changes no shape
_MIXED = {"16": torch.float16, "16-mixed": torch.float16, "bf16": torch.bfloat16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True)
class Training:
    """Bytes of a training step.

    most: the peak. saved: of it, what is kept of the forward pass for the backward pass.
    """

    most: int
    saved: int


@dataclass(frozen=True)
class Need:
    """Bytes at the peak of each stage, the network's weights included in all but `encoding`.

    weights: the network's own. parameters: how many numbers are learnt. learnt: what these take with gradients and the
    optimizer's state. encoding: text encoders and autoencoder, and the clip that it encodes. training: None where
    nothing is. sampling: guided, of a batch. decoding: of one clip.
    """

    weights: int
    parameters: int
    learnt: int
    encoding: int
    training: Training | None
    sampling: int
    decoding: int

    @property
    def stages(self) -> dict[str, int]:
        """The peaks by what a run is doing then."""
        training = {"training": self.training.most} if self.training else {}
        return {"encoding": self.encoding, **training, "sampling": self.sampling, "decoding": self.decoding}


class Estimate:
    """The peaks of an experiment on a kind of device. Each part is computed at its first use.

    Tensors are counted, as torch's allocator counts them; work space inside kernels, fragmentation and the metrics'
    models are not. Text encoders count with their weights. On a CPU, `PROCESS` is added.

    Args:
        address: Model, method, sampler and trainer.
        device: "cuda" or "cpu".
        batch: Clips sampled at once.

    Raises:
        InputError: for a method whose training isn't known here, or a model that can't be run without numbers.
    """

    def __init__(self, address: Address, device: str, batch: int) -> None:
        if type(address.method) not in (MotionInversion, Frozen):
            raise InputError(
                f"the memory of method={address.method.name} is not estimated, only that of motion_inversion and none"
            )
        self.address, self.device, self.batch = address, device, batch
        self.method = address.method if isinstance(address.method, MotionInversion) else None
        self.model = address.model
        self.base = PROCESS if device == "cpu" else 0

    def need(self) -> Need:
        """All of them."""
        return Need(
            weights=self.weights,
            parameters=self.parameters,
            learnt=self.learnt,
            encoding=self.encoding,
            training=self.training,
            sampling=self.sampling,
            decoding=self.decoding,
        )

    @property
    def weights(self) -> int:
        """Those of the network."""
        return _once(("weights", self._folder), lambda: _size(_tensors(_twin(self).network)))

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return self.method.layout.parameters(_twin(self).sites()) if self.method else 0

    @property
    def learnt(self) -> int:
        """What is learnt, with gradients and optimizer."""
        return self._once(self._learnt, self.method and [self.method.layout, self.method.optimizer])

    @property
    def training(self) -> Training | None:
        """A training step."""
        method = self.method
        if method is None or method.embeddings is not None:
            return None
        given = [method.layout, method.optimizer, method.batch_size, self.model.checkpointing, self._precision]
        return self._once(self._training, given)

    @property
    def sampling(self) -> int:
        """A guided step of a batch, the autoencoder in memory since the clip before."""
        return self._once(self._sampling, [self.method and self.method.layout, self.batch, self.address.sampler])

    @property
    def encoding(self) -> int:
        """A clip encoded, with the text encoders in memory, unless they stay on the CPU."""
        return self._once(self._encoding, [self.model.chunk, self._offloads])

    @property
    def decoding(self) -> int:
        """A clip decoded, the network in memory and the latents of a batch."""
        return self._once(self._decoding, [self.model.chunk, self.batch])

    @property
    def _offloads(self) -> bool:
        return self.model.offload and self.device == "cuda"

    @property
    def _precision(self) -> torch.dtype | None:
        return _MIXED.get(precision(self.address.trainer, getattr(torch, self.model.dtype)))

    @property
    def _folder(self) -> str:
        model = self.model
        return json.dumps([describe(model.family), model.path, dict(model.parts), model.dtype], sort_keys=True)

    def _once(self, compute: Callable[[], Any], *given: object) -> Any:
        """The result for this folder, size and device, and what else it depends on."""
        told = [describe(each) if not isinstance(each, torch.dtype) else str(each) for each in given]
        size = (self.model.frames, self.model.width, self.model.height)
        key = (compute.__name__, self._folder, self.device, *size, json.dumps(told, sort_keys=True, default=str))
        return _once(key, compute)

    def _embeddings(self, twin: Twin) -> MotionEmbeddings | None:
        if self.method is None:
            return None
        with META:
            return self.method.layout.zeros(twin.sites())

    def _learnt(self) -> int:
        embeddings = self._embeddings(_twin(self))
        if embeddings is None or self.method is None:
            return 0
        peak = Peak(META)
        parameters = list(embeddings.parameters())
        peak.hold(parameters)
        with peak:
            optimizer = _first_step(self.method, parameters, self.device)
            held = peak.now
        del optimizer
        return held

    def _training(self) -> Training:
        twin = _twin(self)
        embeddings, method = self._embeddings(twin), self.method
        assert embeddings is not None and method is not None
        parameters = list(embeddings.parameters())
        latents, condition = self._inputs(twin, method.batch_size)
        peak = Peak(META)
        peak.hold([*_tensors(twin.network), *parameters])
        checkpointed = twin.config.family.checkpointed(twin.network) if self.model.checkpointing else nullcontext()
        explicit = attention(self.device, twin.dtype, self.model.checkpointing)
        with peak, as_on(self.device, self._precision), explicit, inject(twin.network, embeddings), checkpointed:
            optimizer = _first_step(method, parameters, self.device)
            before = peak.now
            prediction = twin.predict(latents, _LEVEL, condition)
            loss = (prediction - torch.empty_like(prediction)).square().mean()
            saved = peak.now - before
            optimizer.zero_grad()  # not before, as Lightning does it
            backward(loss)
            del prediction, loss
            optimizer.step()
        return Training(peak.most + self.base, saved)

    @torch.no_grad()
    def _sampling(self) -> int:
        twin = _twin(self)
        embeddings = self._embeddings(twin)
        latents, condition = self._inputs(twin, self.batch)
        negative, guidance = condition, self.address.sampler.guidance
        peak = Peak(META)
        peak.hold([*_tensors(twin.network), *_tensors(twin.part("vae")), latents])
        mapped = embeddings.map_value(lambda value: value.clone()) if embeddings else None
        injected = inject(twin.network, mapped) if mapped else nullcontext()
        peak.hold([*(embeddings.parameters() if embeddings else ()), *(mapped.parameters() if mapped else ())])
        explicit = attention(self.device, twin.dtype, self.model.checkpointing)
        with peak, as_on(self.device), explicit, injected:
            twin.guided(latents, _LEVEL, condition, negative, guidance)
        return peak.most + self.base

    def _encoding(self) -> int:
        twin = _twin(self)
        model, vae = self.model, twin.part("vae")
        encoders = [part for part in (*model.folder.classes, *model.folder.optional) if part.startswith("text_encoder")]
        peak = Peak(META)
        peak.hold(_tensors(vae))
        for part in () if self._offloads else encoders:
            peak.hold(_tensors(twin.part(part)))
        frames: Any = torch.empty(model.frames, 3, model.height, model.width, dtype=torch.uint8, device=META)
        with peak, as_on(self.device):
            to_latents(vae, frames, model.chunk)
        return peak.most + self.base

    def _decoding(self) -> int:
        twin = _twin(self)
        vae, (latents, _) = twin.part("vae"), self._inputs(twin, self.batch)
        peak = Peak(META)
        peak.hold([*_tensors(twin.network), *_tensors(vae), latents])
        with peak, as_on(self.device):
            to_pixels(vae, latents[:1], self.model.chunk)
        return peak.most + self.base

    def _inputs(self, twin: Twin, batch: int) -> tuple[Tensor, Condition]:
        """Latents of a batch, and what a prompt says to each."""
        told = _once(("text", self._folder), lambda: twin.embed(["a"]))
        return torch.empty(batch, *twin.latent_shape[1:], device=META), told.expand(batch)


_KNOWN: dict[Any, Any] = {}  # by what it was computed of; a sweep asks again and again


def _once(key: object, compute: Callable[[], Any]) -> Any:
    if key not in _KNOWN:
        try:
            _KNOWN[key] = compute()
        except InputError:
            raise
        except Exception as error:  # of a network that asks for numbers, which there are none of
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise InputError(f"the memory of this model can't be estimated ({reason})") from error
    return _KNOWN[key]


def _twin(estimate: Estimate) -> Twin:
    """One for each folder and size."""
    model = estimate.model
    key = ("twin", estimate._folder, model.frames, model.width, model.height, model.fps)
    return _once(key, lambda: Twin(replace(model, checkpointing=False)))


def _first_step(method: MotionInversion, parameters: list[nn.Parameter], device: str) -> torch.optim.Optimizer:
    """An optimizer with its state, as after a first step; gradients are there."""
    optimizer = made_optimizer(method.optimizer, [{"params": parameters}])
    for group in optimizer.param_groups:
        if group.get("foreach", False) is None and device == "cuda":
            group["foreach"] = True  # torch's choice on a GPU: faster, with as much again as what is learnt
    for parameter in parameters:
        parameter.grad = torch.empty_like(parameter)
    optimizer.step()
    return optimizer


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _size(tensors: list[Tensor]) -> int:
    return sum({each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in tensors}.values())
