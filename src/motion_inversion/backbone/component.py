"""Finds and loads the parts of a model in the diffusers layout one by one, frozen and in evaluation mode."""

import functools
import hashlib
import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import HfApi
from huggingface_hub.constants import is_offline_mode
from safetensors import SafetensorError
from torch import nn

from motion_inversion.core.error import InputError
from motion_inversion.core.file import known_sha256

log = logging.getLogger(__name__)

Classes = Mapping[str, tuple[str, str]]
"""By the names of parts, the library and the class that reads them."""

VIDEO: Classes = {
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "unet": ("diffusers", "UNet3DConditionModel"),
    "scheduler": ("diffusers", "DDIMScheduler"),
}
"""The parts of a text-to-video model."""

IMAGE: Classes = {**VIDEO, "unet": ("diffusers", "UNet2DConditionModel")}
"""The parts of a text-to-image model."""
WEIGHTLESS = ("tokenizer", "scheduler")
# Of these patterns, a file must match one. A tokenizer without a vocabulary would load, and know no word.
_WEIGHTS = ("*.safetensors", "*.bin")
_CONTENT = {
    "tokenizer": ("vocab.json", "tokenizer.json"),
    "scheduler": ("scheduler_config.json", "config.json"),
}


@dataclass(frozen=True)
class ModelFolder:
    """Where the parts of a model are.

    Args:
        path: A local folder in the diffusers layout, or a hub id.
        elsewhere: By the names of parts, hub ids of the part itself, or folders of it or with a folder of its name.
        classes: The parts that there must be.
        optional: The parts that there may be besides.
    """

    path: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    classes: Classes = field(default_factory=lambda: VIDEO)
    optional: Classes = field(default_factory=dict)

    def check(self) -> None:
        """Checks that local folders hold every part; what may be a hub id passes.

        Raises:
            InputError: naming the first part that is missing, or the folder if there is none.
        """
        known = {**self.classes, **self.optional}
        for part, path in self.elsewhere.items():
            if part not in known:
                raise InputError(f"model.parts.{part}: the parts of this model are {', '.join(known)}; use one of them")
            _require_folder(f"model.parts.{part}", path)
        _require_folder("model.path", self.path)
        for part in self.classes:
            folder, option = self._local(part), self._option(part)
            if folder is None:
                continue
            if not folder.is_dir():
                raise InputError(
                    f"{option} has no {part}/; accepted is a folder with {', '.join(self.classes)}, "
                    "as diffusers' save_pretrained writes it"
                )
            patterns = _CONTENT.get(part, _WEIGHTS)
            if not any(any(folder.glob(pattern)) for pattern in patterns):
                raise InputError(f"{option} has neither {' nor '.join(patterns)} in {part}/; copy it there")

    def has(self, part: str) -> bool:
        """Whether the part is there, or may be, on the hub."""
        folder = self._local(part)
        return folder is None or folder.is_dir()

    def load(self, part: str, dtype: torch.dtype, device: torch.device) -> Any:
        """One part of the model, ready to run; networks come frozen, in evaluation mode, in `dtype` on `device`.

        Raises:
            InputError: if it is missing, broken or another kind of model than its class reads.
        """
        place, option = self.elsewhere.get(part, self.path), self._option(part)
        if not Path(place).is_dir():
            require_reachable(option, place)
        module, name = {**self.classes, **self.optional}[part]
        transformers.utils.logging.disable_progress_bar()  # a second's bar per part hides the lines that matter
        kind = getattr(importlib.import_module(module), name)
        source = {"subfolder": part} if part not in self.elsewhere or (Path(place) / part).is_dir() else {}
        try:
            if part in WEIGHTLESS:
                return kind.from_pretrained(place, **source)
            # Without `accelerate`, diffusers warns unless told to load the plain way.
            plain = {"torch_dtype": dtype, "low_cpu_mem_usage": False}
            options = {"dtype": dtype} if module == "transformers" else plain
            loaded, account = kind.from_pretrained(place, output_loading_info=True, **source, **options)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(
                f"{option}: {part} can't be loaded as {name} ({reason}); give a complete local folder: "
                f"{option.partition('=')[0]}=/path/to/model"
            ) from error
        if absent := sorted(account["missing_keys"]):  # both libraries would draw them at random
            raise InputError(
                f"{option}: {part} lacks {len(absent)} of its weights, such as {absent[0]}; give a "
                f"complete local folder: {option.partition('=')[0]}=/path/to/model"
            )
        network: nn.Module = loaded
        return network.requires_grad_(False).eval().to(device)

    def fingerprint(self) -> str:
        """Tells models apart by the content of all their files. A hub id is its name."""
        digest = hashlib.sha256()
        for part in (*self.classes, *self.optional):
            folder = self._local(part)
            if folder is None:
                digest.update(f"{part} {self.elsewhere.get(part, self.path)}\n".encode())
            else:
                for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                    digest.update(f"{part}/{file.name} {known_sha256(file)}\n".encode())
        return digest.hexdigest()[:16]

    def _option(self, part: str) -> str:
        """The option that says where a part is, and what it says."""
        return f"model.parts.{part}={self.elsewhere[part]}" if part in self.elsewhere else f"model.path={self.path}"

    def _local(self, part: str) -> Path | None:
        """The folder of a part, whether it is there or not; None on the hub."""
        place = Path(self.elsewhere.get(part, self.path))
        if not place.is_dir():
            return None
        return place if part in self.elsewhere and not (place / part).is_dir() else place / part


def _require_folder(option: str, path: str) -> None:
    """Raises InputError for what is neither a folder nor can be a hub id."""
    folder = Path(path)
    if not folder.is_dir() and (folder.is_absolute() or path.startswith(".") or folder.exists()):
        raise InputError(f"{option}={path} is no folder; set {option} to a model in the diffusers layout")


@functools.cache
def require_reachable(option: str, path: str) -> None:
    """Asks the hub for a model, once: loading would ask again and again for minutes before it gives up.

    Raises:
        InputError: if it gives none, naming the option that says which; nothing is asked in offline mode.
    """
    if is_offline_mode():
        return
    try:
        HfApi().model_info(path, timeout=10)
    except Exception as error:  # that of an HTTP library, which depends on the hub client's version
        raise InputError(
            f"{option} is no folder here, and the hub has no such model to give ({error}); give a local folder: "
            f"{option.partition('=')[0]}=/path/to/model, or set HF_HUB_OFFLINE=1 to use what was downloaded earlier"
        ) from error
