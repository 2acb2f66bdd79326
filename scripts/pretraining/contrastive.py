"""Trains the small CLIP of the shapes world: which captions are true of a frame?"""

import json
import random as python_random
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from motion_inversion.data.shapes.render import render
from motion_inversion.data.shapes.world import COLOURS, SHAPES, TEXTURES, Scene
from pretraining.progress import Average, Budget, Log
from pretraining.stream import SceneStream, pick_frames
from pretraining.vocabulary import CONTEXT

MODEL = {
    "embed_dim": 96,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 12, "head_width": 48},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 0, "width": 64, "heads": 4, "layers": 2},
}
PREPROCESS = {
    "size": [64, 64],
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


@dataclass(frozen=True)
class Content:
    """What a caption says of a single frame; empty where it says nothing."""

    colour: str
    shape: str
    ground: str
    texture: str

    @classmethod
    def parse(cls, caption: str) -> "Content":
        """Reads the attributes back from a caption of the world."""
        words = caption.split(",")[0].split()
        cut = words.index("on") if "on" in words else len(words)
        subject, ground = words[:cut], words[cut:]
        if "ground" in subject:
            subject, ground = [], subject

        def one(words: list[str], kinds: tuple[str, ...]) -> str:
            return next((word for word in words if word in kinds), "")

        colours = tuple(COLOURS)
        return cls(one(subject, colours), one(subject, SHAPES), one(ground, colours), one(ground, TEXTURES))

    @classmethod
    def of(cls, scene: Scene) -> "Content":
        """What is true of a scene."""
        thing = scene.thing
        return cls(
            thing.colour if thing else "",
            thing.shape if thing else "",
            scene.ground.colour,
            scene.ground.texture,
        )


def truth(captions: list[Content], scenes: list[Content]) -> Tensor:
    """Boolean (captions, scenes): nothing the caption says is wrong, and it doesn't leave out an object."""
    kinds = [("", *COLOURS), ("", *SHAPES), ("", *COLOURS), ("", *TEXTURES)]

    def code(contents: list[Content]) -> Tensor:
        return torch.tensor(
            [[k.index(v) for k, v in zip(kinds, astuple(content), strict=True)] for content in contents]
        )

    said, there = code(captions)[:, None], code(scenes)[None]
    fits = ((said == there) | (said == 0)).all(dim=-1)
    return fits & ((said[..., 1] > 0) == (there[..., 1] > 0))


def altered(caption: str) -> str:
    """The caption with one attribute changed: the hard negatives."""
    words = caption.split()
    places = [i for i, word in enumerate(words) if word in COLOURS or word in SHAPES or word in TEXTURES]
    if not places:
        return "a shape"
    place = python_random.choice(places)
    kind = next(tuple(kind) for kind in (COLOURS, SHAPES, TEXTURES) if words[place] in kind)
    words[place] = python_random.choice([word for word in kind if word != words[place]])
    return " ".join(words)


def degrade(frames: Tensor) -> Tensor:
    """Blur and noise of random strength: generated frames are never as clean as rendered ones."""
    soft = interpolate(avg_pool2d(frames, 2), scale_factor=2, mode="bilinear")
    softer = interpolate(avg_pool2d(frames, 3, stride=2, padding=1), scale_factor=2, mode="bilinear")
    pick = torch.rand(len(frames), 1, 1, 1, device=frames.device)
    frames = torch.where(pick < 0.25, soft, torch.where(pick < 0.4, softer, frames))
    gain = 1 + 0.1 * torch.randn(len(frames), 3, 1, 1, device=frames.device)
    return gain * frames + 0.12 * torch.rand(len(frames), 1, 1, 1, device=frames.device) * torch.randn_like(frames)


def train(folder: Path, budget: Budget, device: str, workers: int) -> None:
    """Trains to the budget's end and saves an open_clip folder in `folder`/clip."""
    torch.manual_seed(0)
    python_random.seed(0)
    tokenizer = SimpleTokenizer(bpe_path=str(folder / "clip/bpe_simple_vocab.txt.gz"), context_length=CONTEXT)
    MODEL["text_cfg"]["vocab_size"] = tokenizer.vocab_size
    vision, text = CLIPVisionCfg(**MODEL["vision_cfg"]), CLIPTextCfg(**MODEL["text_cfg"])
    model = CLIP(MODEL["embed_dim"], vision, text).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.02)
    average, log = Average({"clip": model}, 0.999), Log(folder / "clip.jsonl", budget)
    generator = torch.Generator().manual_seed(1)
    scenes, frames_each = (192, 4) if device != "cpu" else (48, 2)
    stream = iter(SceneStream(4, scenes).loader(workers))
    for step in budget:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * budget.rate()
        captioned = next(stream)
        chosen = pick_frames(captioned.batch.map(lambda value: value.to(device)), frames_each, generator)
        frames = degrade(2 * render(chosen).flatten(0, 1) - 1)
        captions = [*captioned.captions, *(altered(caption) for caption in captioned.captions * 2)]
        labels = truth([Content.parse(c) for c in captions], [Content.of(s) for s in captioned.scenes])
        labels = labels.repeat_interleave(frames_each, dim=1).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            image = model.encode_image(frames, normalize=True)
            words = model.encode_text(tokenizer(captions).to(device), normalize=True)
        logits = model.logit_scale.exp().clamp(max=50) * words.float() @ image.float().T
        loss = _contrast(logits, labels) + _contrast(logits.T, labels.T)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(step)
        if step % 100 == 0:
            best = labels[logits.argmax(dim=0), torch.arange(len(frames), device=device)].float().mean()
            log(loss=loss.item(), right_caption_first=best.item(), scale=model.logit_scale.exp().item())
    average.swap()
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (folder / "clip/open_clip_config.json").write_text(json.dumps(config, indent=2))
    weights = {name: value.contiguous().cpu() for name, value in model.state_dict().items()}
    save_file(weights, folder / "clip/open_clip_model.safetensors")


def _contrast(logits: Tensor, labels: Tensor) -> Tensor:
    """Multi-positive cross-entropy: the probability mass of each row's true partners."""
    rows = labels.any(dim=1)
    positive = logits.masked_fill(~labels, float("-inf"))[rows].logsumexp(dim=1)
    return (logits[rows].logsumexp(dim=1) - positive).mean()
