"""What depends on what: the identity, and so the place, of every artifact of an experiment."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from motion_inversion.backbone.model import Model
from motion_inversion.core.noise import Noise
from motion_inversion.core.sampler import Ddim, OdeInversion
from motion_inversion.data.clip import Clip
from motion_inversion.method.method import Method
from motion_inversion.method.training.trainer import settings_of
from motion_inversion.metric.metric import Metric
from motion_inversion.reflection.description import Json, describe
from motion_inversion.reflection.source import own_code
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.cache import Cache
from motion_inversion.storage.names import SOURCE, UNRELATED

# Settings of a trainer that change what is shown, or when it is interrupted, not what is learnt.
_PRESENTATION = {"log_every_n_steps", "max_time"}

Of = ParamSpec("Of")
Found = TypeVar("Found")


def _once(find: "Callable[Concatenate[Address, Of], Found]") -> "Callable[Concatenate[Address, Of], Found]":
    """What an address finds of the same clip, prompt and seed is found once: all that ask share one object."""

    @functools.wraps(find)
    def found(self: "Address", *of: Of.args, **named: Of.kwargs) -> Found:
        parts = [*of, *named.values()]
        key = (find.__name__, *(id(part) if isinstance(part, Clip) else part for part in parts))
        if key not in self.found:
            self.found[key] = parts, find(self, *of, **named)  # while a clip is kept, its id is no other's
        return self.found[key][1]

    return found


@dataclass(frozen=True, eq=False)
class Address:
    """The axes of an experiment, and from them the address of each of its artifacts.

    Descriptions, footage and artifacts are resolved once, at their first use: an address lives as long as a run.
    """

    root: Path
    model: Model
    method: Method
    noise: Noise
    inversion: OdeInversion
    sampler: Ddim
    metric: Mapping[str, Metric]
    trainer: Callable[..., Any] | None
    negative_prompt: str
    seed: int
    prompt_prefix: str = ""
    cache: Cache | None = None
    found: dict[Any, Any] = field(default_factory=dict[Any, Any], init=False, repr=False)

    def worded(self, prompt: str) -> str:
        """A clip's prompt as the text encoder reads it."""
        return self.prompt_prefix + prompt

    def inversion_prompt(self, clip: Clip) -> str:
        """What the network is told during inversion: the clip's own prompt, unless the configuration says what."""
        given = self.inversion.prompt
        return self.worded(clip.source_prompt) if given is None else given

    def training_prompt(self, clip: Clip) -> str:
        """What the network is told while the method learns."""
        invariant = clip.appearance_invariant_prompt if self.method.appearance_invariant else None
        return self.worded(invariant or clip.source_prompt)

    @_once
    def footage(self, clip: Clip) -> str:
        """Checksum of a clip's footage."""
        return clip.footage.fingerprint()

    @_once
    def reference(self, clip: Clip) -> Artifact:
        """Frames and latents of a reference clip."""
        identity: Json = {"model": self._model, "footage": self.footage(clip)}
        return Artifact(self.root / clip.name / "prepare", "reference", identity, self.cache)

    @_once
    def control_maps(self, clip: Clip) -> Artifact | None:
        """The control maps that come with a clip; None if there are none, or the method reads none."""
        if clip.control_maps is None or not self.method.reads_control_maps:
            return None
        identity: Json = {"model": self._model, "footage": clip.control_maps.fingerprint()}
        return Artifact(self.root / clip.name / "prepare", "control_maps", identity, self.cache)

    @_once
    def inverted(self, clip: Clip) -> Artifact:
        """The reference's inverted noise."""
        told = replace(self.inversion, prompt=self.inversion_prompt(clip))
        identity = {"reference": self.reference(clip).digest, "inversion": describe(told)}
        return Artifact(self.root / clip.name / "prepare", "inversion", identity, self.cache)

    @_once
    def text(self, prompt: str) -> Artifact:
        """The text encoder's states of a prompt; clips share them."""
        identity: Json = {"model": self._model, "prompt": prompt}
        return Artifact(self.root / "text", _slug(prompt) or "empty", identity, self.cache)

    @_once
    def state(self, clip: Clip) -> Artifact:
        """What the method learnt from a clip."""
        control_maps = self.control_maps(clip)
        identity: Json = {
            "reference": self.reference(clip).digest,
            "source_prompt": self.training_prompt(clip),
            "method": {key: value for key, value in self._method.items() if key not in self.method.at_sampling},
            "trainer": self._trainer(),
            "seed": self.seed,
            **({"control_maps": control_maps.digest} if control_maps else {}),
            **_own_code(self._method, self._trainer()),
        }
        return Artifact(self.root / clip.name / "train", self.method.name, identity)

    @_once
    def sample(self, clip: Clip, prompt: str, seed: int) -> Artifact:
        """A generated clip."""
        identity: Json = {
            "model": self._model,
            "state": self.state(clip).digest if self.method.fits else self.method.name,
            "method": {key: value for key, value in self._method.items() if key in self.method.at_sampling},
            "motion": clip.motion,
            "noise": describe(self.noise),
            "inverted": self.inverted(clip).digest if self.noise.needs_inversion else None,
            "sampler": describe(self.sampler),
            "prompt": prompt,
            "prompt_prefix": self.prompt_prefix,
            "negative_prompt": self.negative_prompt,
            "clip": clip.name,
            "seed": seed,
            **_own_code(self._method, describe(self.noise), describe(self.sampler)),
        }
        label = f"{self.method.name}-{type(self.noise).__name__.lower()}-{_slug(prompt)}-{seed}"
        return Artifact(self.root / clip.name / "generate", label, identity)

    @_once
    def score(self, clip: Clip, prompt: str, seed: int) -> Artifact:
        """The scores of a generated clip."""
        sample = self.sample(clip, prompt, seed)
        identity: Json = {
            "sample": sample.digest,
            "reference": self.reference(clip).digest,
            "prompt": prompt,
            "source_prompt": clip.source_prompt,
            **self._metrics,
        }
        return Artifact(self.root / clip.name / "evaluate", sample.label, identity)

    @_once
    def bound(self, clip: Clip, shown: Clip) -> Artifact:
        """The scores of a reference clip, `shown` as if it had been generated from `clip`."""
        identity: Json = {
            "sample": self.reference(shown).digest,
            "reference": self.reference(clip).digest,
            "source_prompt": clip.source_prompt,
            **self._metrics,
        }
        label = SOURCE if shown.name == clip.name else f"{UNRELATED}-{shown.name}"
        return Artifact(self.root / clip.name / "evaluate", label, identity)

    @cached_property
    def _model(self) -> Json:
        settings = describe(self.model)
        return {"weights": self.model.fingerprint, "settings": settings, **_own_code(settings)}

    @cached_property
    def _metrics(self) -> dict[str, Json]:
        versions: Json = {name: metric.version() for name, metric in self.metric.items()}
        targets: Json = [
            {"_target_": f"{type(each).__module__}.{type(each).__qualname__}"} for each in self.metric.values()
        ]
        return {"metric": versions, **_own_code(targets)}

    @cached_property
    def _method(self) -> dict[str, Json]:
        method = describe(self.method)
        assert isinstance(method, dict)
        return method

    def _trainer(self) -> Json:
        if not (given := settings_of(self.trainer)):
            return None
        return {key: describe(value) for key, value in given.items() if key not in _PRESENTATION}


def _own_code(*descriptions: Json) -> dict[str, Json]:
    """The part of an identity that changes when a class of the user's own is edited."""
    code = own_code(*descriptions)
    return {"code": code} if code else {}


def _slug(text: str, length: int = 32) -> str:
    """The beginning of a text as a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:length].strip("-")
