"""Finds and loads the parts of a model in the diffusers layout one by one, frozen and in evaluation mode."""

import hashlib
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from motion_inversion.backbone.family import Classes
from motion_inversion.backbone.hub import hub_file, require_reachable
from motion_inversion.backbone.variant import WEIGHTS, naming_of, taken
from motion_inversion.error import InputError
from motion_inversion.storage.checksum import noted_sha256
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.kind import check_weights

INDEX = "model_index.json"
WEIGHTLESS = ("tokenizer", "scheduler")
_VOCABULARY = "vocab.json"
# Of these patterns, a file must match one. A tokenizer without a vocabulary would load, and know no word.
_CONTENT = {
    "tokenizer": (_VOCABULARY, "tokenizer.json", "spiece.model", "*.model"),
    "scheduler": ("scheduler_config.json", "config.json"),
}
_MOST_LEVELS = 100_000  # of noise; a scheduler makes tables of as many
_CONFIGURATIONS = ("config.json", "scheduler_config.json", "tokenizer_config.json")
# Classes that transformers renamed: a folder's index may still have the older word.
_RENAMED = {
    "T5TokenizerFast": "T5Tokenizer",
    "CLIPTokenizerFast": "CLIPTokenizer",
    "LlamaTokenizerFast": "LlamaTokenizer",
    "TokenizersBackend": "PreTrainedTokenizerFast",
}


@dataclass(frozen=True)
class ModelFolder:
    """Where the parts of a model are.

    Args:
        path: A local folder in the diffusers layout, or a hub id.
        elsewhere: By the names of parts, hub ids of the part itself, or folders of it or with a folder of its name.
        classes: The parts that there must be, and the classes that can be each.
        optional: The parts that there may be besides.
    """

    path: str
    elsewhere: Mapping[str, str]
    classes: Classes
    optional: Classes

    @property
    def known(self) -> Classes:
        """All parts that there may be."""
        return {**self.classes, **self.optional}

    def check(self) -> None:
        """Checks that local folders hold every part, and that they are of known classes; what may be a hub id passes.

        Raises:
            InputError: naming the first part that is missing or unknown, or the folder if there is none.
        """
        for part, path in self.elsewhere.items():
            if part not in self.known:
                accepted = ", ".join(self.known)
                raise InputError(f"model.parts.{part}: the parts of this model are {accepted}; use one of them")
            _require_folder(f"model.parts.{part}", path)
        _require_folder("model.path", self.path)
        for part in self.classes:
            folder, option = self._local(part), self._option(part)
            if folder is None:
                continue
            if not folder.is_dir():
                raise InputError(
                    f"{option} has no {part}/{self._otherwise()}; accepted is a folder with {', '.join(self.classes)}, "
                    "as diffusers' save_pretrained writes it"
                )
            patterns = _content(part)
            if not any(any(folder.glob(pattern)) for pattern in patterns):
                raise InputError(f"{option} has neither {' nor '.join(patterns)} in {part}/; copy it there")
            self._class_name(part)

    def setting(self, name: str) -> Any:
        """What the folder's index says beside its parts, such as the boundary between two experts; None if nothing."""
        return self._index().get(name)

    def holds(self, part: str) -> bool:
        """Whether the part is in a local folder, and no hub is asked for it."""
        return self._local(part) is not None

    def has(self, part: str) -> bool:
        """Whether the part is there, or may be, on the hub."""
        folder = self._local(part)
        return folder is None or folder.is_dir()

    def load(self, part: str, dtype: torch.dtype, device: torch.device) -> Any:
        """One part of the model, ready to run; networks come frozen, in evaluation mode, in `dtype` on `device`.

        Raises:
            InputError: if it is missing or broken, or of a class that isn't one of the known.
        """
        from transformers.utils.logging import disable_progress_bar

        place, option = self.elsewhere.get(part, self.path), self._option(part)
        if not Path(place).is_dir():
            require_reachable(option, place)
        name = self._class_name(part)
        folder = self._local(part)
        naming = {} if folder is None or part.startswith(WEIGHTLESS) else naming_of(folder, dtype)
        for file in taken(folder, naming.get("variant")) if folder else ():
            check_weights(file, f"give a complete local folder: {option.partition('=')[0]}=/path/to/model")
        levels = self.configuration(part).get("num_train_timesteps", 1000)
        if type(levels) is not int or not 2 <= levels <= _MOST_LEVELS:
            raise InputError(f"{option}: {part} has num_train_timesteps={levels!r}; accepted are 2 to {_MOST_LEVELS}")
        kind, library = _import(name)
        disable_progress_bar()  # a second's bar per part hides the lines that matter
        source = self._source(part)
        try:
            if part.startswith(WEIGHTLESS):
                return kind.from_pretrained(place, **source)
            options = {"dtype" if library == "transformers" else "torch_dtype": dtype}
            loaded, account = kind.from_pretrained(place, output_loading_info=True, **naming, **source, **options)
        except Exception as error:  # what is wrong with a folder makes the two libraries raise anything
            reason = _first_sentence(error)
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
        _require_finite(network, f"{option}: {part}")
        return network.requires_grad_(False).eval().to(device)

    def twin(self, part: str, dtype: torch.dtype) -> Any:
        """A network of the folder without its weights: on the meta device, frozen, in evaluation mode, in `dtype`.

        Raises:
            InputError: if its configuration can't be read, or is of a class that isn't one of the known.
        """
        kind, library = _import(self._class_name(part))
        place, option = self.elsewhere.get(part, self.path), self._option(part)
        try:
            if library == "diffusers":
                described = kind.load_config(place, **self._source(part))
            else:
                described = kind.config_class.from_pretrained(place, **self._source(part))
            with torch.device("meta"):
                made: Any = kind.from_config(described) if library == "diffusers" else kind(described)
        except Exception as error:  # what is wrong with a folder makes the two libraries raise anything
            reason = _first_sentence(error)
            raise InputError(
                f"{option}: {part} can't be read as {kind.__name__} ({reason}); give a complete local folder: "
                f"{option.partition('=')[0]}=/path/to/model"
            ) from error
        in_precision(made, dtype)
        return made.requires_grad_(False).eval()

    def configuration(self, part: str) -> dict[str, Any]:
        """What a part's own configuration says; nothing on the hub.

        Raises:
            InputError: if it is no mapping.
        """
        folder = self._local(part)
        found = [folder / name for name in _CONFIGURATIONS if (folder / name).is_file()] if folder else []
        return {key: value for path in reversed(found) for key, value in _json(path).items()}

    def vocabulary(self, part: str) -> dict[str, Any]:
        """The ids of the tokens of a tokenizer that has a vocab.json, in a local folder.

        Raises:
            InputError: if that can't be read.
        """
        folder = self._local(part)
        assert folder is not None
        return _json(folder / _VOCABULARY)

    def fingerprint(self) -> str:
        """Tells models apart by the content of all their files. A hub id is its name."""
        digest = hashlib.sha256()
        for part in self.known:
            folder = self._local(part)
            if folder is None:
                digest.update(f"{part} {self.elsewhere.get(part, self.path)}\n".encode())
            else:
                for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                    digest.update(f"{part}/{file.name} {noted_sha256(file)}\n".encode())
        return digest.hexdigest()[:16]

    def _otherwise(self) -> str:
        """What to say of a folder that is of another family: that its index names parts which this one doesn't know."""
        index = self._index()
        strange = [part for part, entry in index.items() if isinstance(entry, list) and part not in self.known]
        if not strange:
            return ""
        kind = index.get("_class_name", "model of another family")
        return f", but {strange[0]}/: it is a {kind}, and needs the model= for it"

    def _class_name(self, part: str) -> str:
        """The class that reads a part, by the folder's index, the part's own configuration or, last, the family's
        first.

        Raises:
            InputError: for a class that the family doesn't know.
        """
        accepted = self.known[part]
        name = next(self._said(part), accepted[0])
        name = name if name in accepted else _RENAMED.get(name, name)
        if name not in accepted:
            raise InputError(
                f"{self._option(part)}: {part} is of class {name}; the family of this model accepts "
                f"{' or '.join(accepted)}; choose the model= that fits the folder"
            )
        return name

    def _said(self, part: str) -> Iterator[str]:
        """What the files say of a part's class, the most telling first."""
        if part not in self.elsewhere and (index := self._index()) and (entry := index.get(part)):
            if not isinstance(entry, list) or len(entry) != 2:
                raise InputError(f"{self._option(part)}: {INDEX} says {entry!r} of {part}, not [library, class]")
            yield str(entry[1])
        found = self.configuration(part)
        architectures = found.get("architectures")
        first = architectures[:1] if isinstance(architectures, list) else []
        for said in (found.get("_class_name"), *first, found.get("tokenizer_class")):
            if said:
                yield str(said)

    def _index(self) -> dict[str, Any]:
        """The folder's index of parts and classes; nothing where it has none."""
        if Path(self.path).is_dir():
            index = Path(self.path) / INDEX
            return _json(index) if index.is_file() else {}
        index = hub_file(self.path, INDEX)
        return _json(index) if index else {}

    def _source(self, part: str) -> dict[str, str]:
        """What the two libraries are told beside the place, where the part is in a folder of it."""
        place = Path(self.elsewhere.get(part, self.path))
        return {"subfolder": part} if part not in self.elsewhere or (place / part).is_dir() else {}

    def _option(self, part: str) -> str:
        """The option that says where a part is, and what it says."""
        return f"model.parts.{part}={self.elsewhere[part]}" if part in self.elsewhere else f"model.path={self.path}"

    def _local(self, part: str) -> Path | None:
        """The folder of a part, whether it is there or not; None on the hub."""
        place = Path(self.elsewhere.get(part, self.path))
        if not place.is_dir():
            return None
        return place if part in self.elsewhere and not (place / part).is_dir() else place / part


def in_precision(network: nn.Module, dtype: torch.dtype) -> None:
    """A network in a type, but for the modules that its class keeps in single precision, as `load` reads them."""
    exact = getattr(network, "_keep_in_fp32_modules", None) or ()
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_floating_point() and not any(each in name.split(".") for each in exact):
            tensor.data = tensor.data.to(dtype)


def _first_sentence(error: Exception) -> str:
    """What was wrong; what follows is advice for who calls the libraries by hand."""
    text = str(error).strip()
    return text.splitlines()[0].split(". ")[0] if text else type(error).__name__


def _content(part: str) -> tuple[str, ...]:
    return next((patterns for stem, patterns in _CONTENT.items() if part.startswith(stem)), WEIGHTS)


def _import(name: str) -> tuple[Any, str]:
    """A class of diffusers or of transformers, and which of the two it is of."""
    for library in ("diffusers", "transformers"):
        if kind := getattr(importlib.import_module(library), name, None):
            return kind, library
    raise InputError(f"neither diffusers nor transformers has {name}: pip install --upgrade diffusers transformers")


def _require_finite(network: nn.Module, where: str) -> None:
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{where} holds NaN or infinity in {name}; copy it anew from where the model is from")


def _json(path: Path) -> dict[str, Any]:
    remedy = "copy it anew from where the model is from"
    text = read_text(path, remedy)
    try:
        found = parse_json(text)
    except ValueError as error:
        raise InputError(f"{path} can't be read ({error}); {remedy}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no mapping; {remedy}")
    return found


def _require_folder(option: str, path: str) -> None:
    """Raises InputError for what is neither a folder nor can be a hub id."""
    folder = Path(path)
    if not folder.is_dir() and (folder.is_absolute() or path.startswith(".") or folder.exists()):
        raise InputError(f"{option}={path} is no folder; set {option} to a model in the diffusers layout")
