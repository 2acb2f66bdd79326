"""CLIP encoders of frames and prompts: models that open_clip knows, or a folder with a model of one's own."""

import difflib
import gzip
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from annotated_types import Ge
from huggingface_hub.constants import is_offline_mode
from huggingface_hub.utils import logging as hub_logging
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from motion_inversion.core.vocabulary import Vocabulary, words_of
from motion_inversion.error import InputError
from motion_inversion.metric.weight_file import short_sha256
from motion_inversion.storage.embedded import PREFIX, locate
from motion_inversion.storage.kind import check_weights

log = logging.getLogger(__name__)

# How the messages below name the option they ask to change: all metrics take their encoder from there.
_ENCODER = "_judge"


@runtime_checkable
class ClipEncoder(Protocol):
    """Frames and texts → unit vectors of one space."""

    def embed_image(self, video: UInt8[np.ndarray, "f h w 3"]) -> Float[Tensor, "f d"]:
        """One L2-normalised vector per frame, on the CPU."""
        ...

    def embed_text(self, texts: list[str]) -> Float[Tensor, "n d"]:
        """One L2-normalised vector per text, on the CPU."""
        ...


@runtime_checkable
class ClipSource(Protocol):
    """Where an encoder comes from: cheap to build, loaded by `load`."""

    def version(self) -> str:
        """Names the model and its weights, alike on every machine."""
        ...

    def load(self, device: torch.device | str) -> ClipEncoder:
        """Reads the weights onto a device."""
        ...


@dataclass(frozen=True, eq=False)
class LoadedClip:
    """A CLIP model in memory, in single precision, with the preprocessing and tokenizer it was trained with.

    Frames of any size pass one by one through the model's own preprocessing, rounded as in its training.
    For most models, OpenAI's included: the shorter side is resized to the input size, bicubic and
    anti-aliased, and the centre square cropped, so that the side strips of a 16:9 frame go unseen.

    Args:
        model: open_clip's, with `encode_image` and `encode_text`.
        preprocess: Image → normalised tensor.
        tokenizer: open_clip's, texts → padded token ids.
        device: Where the model is.
        batch_size: Frames or texts encoded at a time.
    """

    model: Any
    preprocess: Callable[[Image.Image], Tensor]
    tokenizer: Any
    device: torch.device | str
    batch_size: int

    @torch.no_grad()
    def embed_image(self, video: UInt8[np.ndarray, "f h w 3"]) -> Float[Tensor, "f d"]:
        """One L2-normalised vector per frame, on the CPU."""
        rows = []
        for start in range(0, len(video), self.batch_size):
            batch = [self.preprocess(Image.fromarray(frame)) for frame in video[start : start + self.batch_size]]
            rows.append(self.model.encode_image(torch.stack(batch).to(self.device), normalize=True).cpu())
        return torch.cat(rows)

    @torch.no_grad()
    def embed_text(self, texts: list[str]) -> Float[Tensor, "n d"]:
        """One L2-normalised vector per text, on the CPU.

        Raises:
            InputError: for a text of more tokens than the model takes; open_clip would cut it without a word.
        """
        for text in texts:
            self._check_length(text)
        batches = self.tokenizer(texts).to(self.device).split(self.batch_size)
        return torch.cat([self.model.encode_text(batch, normalize=True).cpu() for batch in batches])

    def _check_length(self, text: str) -> None:
        room = self.tokenizer.context_length
        # Tokens are bytes at the smallest and lower case adds few, so that this row ends in padding.
        row = self.tokenizer([text], context_length=max(room, 2 * len(text.encode())) + 3)[0]
        used = int((row != row[-1]).nonzero().max()) + 1
        if used > room:
            raise InputError(
                f"the prompt {text!r} has {used} tokens, start and end included: this CLIP model takes "
                f"{room}; shorten it in the dataset, or leave the metrics that read prompts out: metric=motion_fidelity"
            )


@dataclass(frozen=True)
class OpenClip:
    """A model that open_clip knows by name.

    Args:
        model_name: One of `open_clip.list_models()`. OpenAI's weights need a name that ends in `-quickgelu`:
            with the plain one's activation the scores shift.
        pretrained: A tag of that model, whose weights are downloaded once, or a local file of its weights in
            open_clip's format; frames are then preprocessed as for OpenAI's models.
        batch_size: Frames or texts encoded at a time.
    """

    model_name: str = "ViT-B-32-quickgelu"
    pretrained: str = "openai"
    batch_size: Annotated[int, Ge(1)] = field(default=32, metadata={"digest": False})

    def __post_init__(self) -> None:
        _check_batch(self.batch_size)

    def version(self) -> str:
        """Model and tag; model and checksum for a local file."""
        import open_clip

        if self.pretrained in open_clip.list_pretrained_tags_by_model(self.model_name):
            return f"{self.model_name}/{self.pretrained}"
        return f"{self.model_name}/{short_sha256(self.pretrained, f'{_ENCODER}.pretrained=/path/to/a/file')}"

    def load(self, device: torch.device | str) -> LoadedClip:
        """Reads the weights, after downloading a tag's where needed.

        Raises:
            InputError: for an unknown model or tag, a failed download, or a file that doesn't fit the model.
        """
        import open_clip

        models, tags = open_clip.list_models(), open_clip.list_pretrained_tags_by_model(self.model_name)
        override = f"{_ENCODER}.pretrained=/path/to/open_clip_model.safetensors"
        if self.model_name not in models:
            near = difflib.get_close_matches(self.model_name, models) or [OpenClip.model_name]
            raise InputError(
                f"{_ENCODER}.model_name={self.model_name}: accepted are open_clip's models, such as "
                f"{', '.join(near)}; set {_ENCODER}.model_name={near[0]}"
            )
        if self.pretrained not in tags and not Path(self.pretrained).is_file():
            raise InputError(
                f"{_ENCODER}.pretrained={self.pretrained}: accepted for {self.model_name} are a weights file "
                f"that exists and {', '.join(tags) or 'no tag'}; set {override}"
            )
        if self.pretrained not in tags:
            check_weights(Path(self.pretrained), f"set {override}", torchs=True)
        elif not is_offline_mode():
            log.info("asking the hub for %s; HF_HUB_OFFLINE=1 uses what was downloaded earlier", self.version())
        return _read(self, self.model_name, device, override, pretrained=self.pretrained)


@dataclass(frozen=True)
class FolderClip:
    """A model of one's own, in the folder layout of open_clip.

    `open_clip_config.json` holds `model_cfg` (embed_dim, vision_cfg, text_cfg) and `preprocess_cfg` (mean,
    std, size, interpolation, resize_mode); `open_clip_model.safetensors` the weights;
    `bpe_simple_vocab.txt.gz` the byte-pair merges: a header line, then one merge a line, without a line break
    after the last. The vocabulary consists of 512 byte tokens, the merges, start and end;
    `text_cfg.vocab_size` is their number.

    Args:
        folder: Where these files are; "embedded:shapes_shared/clip" is the one that ships with the package.
        batch_size: Frames or texts encoded at a time.
    """

    folder: str | Path
    batch_size: Annotated[int, Ge(1)] = field(default=256, metadata={"digest": False})

    def __post_init__(self) -> None:
        _check_batch(self.batch_size)

    FILES: ClassVar[tuple[str, ...]] = (
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "bpe_simple_vocab.txt.gz",
    )

    def version(self) -> str:
        """The files' checksums.

        Raises:
            InputError: for a missing file.
        """
        return "folder/" + "+".join(short_sha256(path, f"{_ENCODER}.folder=/path/to/one") for path in self._paths())

    def vocabulary(self) -> Vocabulary | None:
        """The words that a model which ships with the package was trained on; None of any other.

        Raises:
            InputError: for a missing file.
        """
        if not str(self.folder).startswith(PREFIX):
            return None
        *_, merges = self._paths()
        _, *pairs = gzip.decompress(merges.read_bytes()).decode("utf-8").splitlines()
        return words_of([*(pair.replace(" ", "") for pair in pairs), *(f"{letter}</w>" for letter in ascii_lowercase)])

    def load(self, device: torch.device | str) -> LoadedClip:
        """Reads the folder.

        Raises:
            InputError: for a missing file, one that can't be read, and files that don't fit one another.
        """
        *_, merges = self._paths()
        override = f"{_ENCODER}.folder=/path/to/another"
        loaded = _read(self, f"local-dir:{locate(str(self.folder))}", device, override, bpe_path=str(merges))
        # The model finds a text's end by its highest token, which must be the vocabulary's last.
        made, taken = loaded.tokenizer.eot_token_id + 1, loaded.model.vocab_size
        if made != taken:
            raise InputError(
                f"{merges} makes {made} tokens but text_cfg.vocab_size is {taken}: accepted is a file "
                f"without empty lines whose merges number vocab_size - 514; set {override}"
            )
        return loaded

    def _paths(self) -> list[Path]:
        paths = [Path(locate(str(self.folder)), name) for name in self.FILES]
        for path in paths:
            if not path.is_file():
                raise InputError(
                    f"{path} is missing: a CLIP folder holds {', '.join(self.FILES)}; "
                    f"set {_ENCODER}.folder=/path/to/one"
                )
        return paths


def _read(
    source: OpenClip | FolderClip,
    name: str,
    device: torch.device | str,
    override: str,
    pretrained: str | None = None,
    **tokenizer: Any,
) -> LoadedClip:
    """Model, preprocessing and tokenizer by the name that open_clip has for them."""
    import open_clip

    try:
        with _telling_once():
            opened: Any = open_clip.create_model_from_pretrained(name, pretrained, device=device)
            words = open_clip.get_tokenizer(name, **tokenizer)
    except Exception as error:  # open_clip, the hub and the file formats share no type of exception
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"can't read {source} ({what}); set {override}") from error
    model, preprocess = opened
    return LoadedClip(model.eval(), preprocess, words, device, source.batch_size)


@contextmanager
def _telling_once() -> Iterator[None]:
    """Without open_clip's lines, by the root logger, of what it then raises, and those of the hub's attempts.

    open_clip's warnings stay.
    """

    def is_new(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR or Path(record.pathname).parent.name != "open_clip"

    root = logging.getLogger()
    verbosity = hub_logging.get_verbosity()
    root.addFilter(is_new)
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        root.removeFilter(is_new)
        hub_logging.set_verbosity(verbosity)


def _check_batch(size: int) -> None:
    if size < 1:
        raise InputError(f"{_ENCODER}.batch_size={size}: at least one at a time; set {_ENCODER}.batch_size=32")
