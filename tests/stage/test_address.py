"""What depends on what: a change gives a new address to what depends on it, and to nothing else."""

import functools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.core.loss import Debiased, Mse
from motion_inversion.core.noise import Inversion, Random
from motion_inversion.core.sampler import Ddim, OdeInversion
from motion_inversion.core.strategy import Difference
from motion_inversion.core.timestep import Range
from motion_inversion.data.clip import Clip
from motion_inversion.data.shapes.clip import ShapesFootage
from motion_inversion.data.shapes.world import Ground
from motion_inversion.embedding.layout import Layout
from motion_inversion.method.frozen import Frozen
from motion_inversion.metric.motion_fidelity import MotionFidelity
from motion_inversion.stage.address import Address

Change = Callable[[Address], Address]

NOTHING: set[str] = set()
SAMPLED = {"sample", "score"}
TRAINED = {"state", *SAMPLED}
ALL = {"reference", "inverted", "text", *TRAINED}


def digests(address: Address, clip: Clip, seed: int = 0) -> dict[str, str]:
    prompt, address = clip.prompts[0], replace(address)  # one that hasn't read the footage of another clip of this name
    artifacts = {
        "reference": address.reference(clip),
        "inverted": address.inverted(clip),
        "text": address.text(prompt),
        "state": address.state(clip),
        "sample": address.sample(clip, prompt, seed),
        "score": address.score(clip, prompt, seed),
    }
    return {name: artifact.digest for name, artifact in artifacts.items()}


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


def model(**changes: Any) -> Change:
    return lambda address: replace(address, model=replace(address.model, **changes))


def method(**changes: Any) -> Change:
    return lambda address: replace(address, method=replace(address.method, **changes))  # pyright: ignore[reportArgumentType]


def own(**changes: Any) -> Change:
    return lambda address: replace(address, **changes)


def trainer(**changes: Any) -> Change:
    return lambda address: replace(address, trainer=replace(address.trainer, **changes))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(change, expected, id=name)
        for name, change, expected in [
            ("device", model(device="cpu"), NOTHING),
            ("chunk", model(chunk=1), NOTHING),
            ("checkpointing", model(checkpointing=True), NOTHING),
            ("model.name", model(name="other"), NOTHING),
            ("guidance", own(sampler=Ddim(2, guidance=7.5)), SAMPLED),
            ("family", model(family=UNet3D(space=16)), ALL),
            ("frames", model(frames=6), ALL),
            ("size", model(width=128), ALL),
            ("dtype", model(dtype="bfloat16"), ALL),
            ("loss", method(loss=Mse()), TRAINED),
            ("loss.beta", method(loss=Debiased(beta=0.5)), TRAINED),
            ("layout", method(layout=Layout(["widest"], True, True)), TRAINED),
            ("timestep", method(timestep=Range(500, 1000)), TRAINED),
            ("optimizer", method(optimizer=functools.partial(torch.optim.AdamW, lr=1.0)), TRAINED),
            ("batch_size", method(batch_size=2), TRAINED),
            ("checkpoint_every", method(checkpoint_every=7), NOTHING),
            ("preview_every", method(preview_every=7), NOTHING),
            ("strategy", method(strategy=Difference(gamma=0.5)), SAMPLED),
            ("max_steps", trainer(max_steps=5), TRAINED),
            ("gradient_clip_val", trainer(gradient_clip_val=1.0), TRAINED),
            ("log_every_n_steps", trainer(log_every_n_steps=1), NOTHING),
            ("seed", own(seed=1), TRAINED),
            ("sampler", own(sampler=Ddim(3)), SAMPLED),
            ("noise", own(noise=Inversion()), SAMPLED),
            ("noise without inversion", own(noise=Random()), SAMPLED),
            ("inversion", own(inversion=OdeInversion(3)), {"inverted", *SAMPLED}),
            ("inversion.prompt", own(inversion=OdeInversion(2, "a")), {"inverted", *SAMPLED}),
            ("inversion.prompt: the clip's", own(inversion=OdeInversion(2, None)), {"inverted", *SAMPLED}),
            ("inversion.measure", own(inversion=OdeInversion(2, measure=True)), NOTHING),
            ("negative_prompt", own(negative_prompt="blurry"), SAMPLED),
            ("prompt_prefix", own(prompt_prefix="masterpiece, "), TRAINED),
            ("metric", own(metric={}), {"score"}),
            ("metric.tracker", own(metric={"motion_fidelity": MotionFidelity()}), NOTHING),
            ("root", own(root=Path("elsewhere")), NOTHING),
        ]
    ],
)
def test_a_setting_readdresses_what_depends_on_it(address: Address, clip: Clip, change: Change, expected: set[str]):
    assert differing(digests(address, clip), digests(change(address), clip)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"footage": ShapesFootage(Ground("red"))}, ALL - {"text"}),
        ({"motion": "camera"}, SAMPLED),
        ({"source_prompt": "a square"}, TRAINED),
        ({"prompts": ("a square",)}, {"text", *SAMPLED}),
        ({"seeds": (1,)}, NOTHING),
        ({"name": "other"}, SAMPLED),  # the initial noise is drawn from the clip's name
    ],
)
def test_a_clip_readdresses_what_depends_on_it(
    address: Address, clip: Clip, changes: dict[str, Any], expected: set[str]
):
    assert differing(digests(address, clip), digests(address, replace(clip, **changes))) == expected


def test_a_sample_depends_on_its_seed(address: Address, clip: Clip):
    assert differing(digests(address, clip), digests(address, clip, seed=1)) == SAMPLED


def test_without_inversion_its_settings_do_not_matter(address: Address, clip: Clip):
    address = replace(address, noise=Random())
    other = replace(address, inversion=OdeInversion(3))
    assert differing(digests(address, clip), digests(other, clip)) == {"inverted"}


def test_the_clips_own_prompt_is_an_inversion_prompt(address: Address, clip: Clip):
    own_prompt = replace(address, inversion=OdeInversion(2, None), prompt_prefix="masterpiece, ")
    told = replace(own_prompt, inversion=OdeInversion(2, f"masterpiece, {clip.source_prompt}"))
    assert own_prompt.inversion_prompt(clip) == f"masterpiece, {clip.source_prompt}"
    assert own_prompt.inverted(clip).digest == told.inverted(clip).digest


def test_a_control_depends_on_no_training(address: Address, clip: Clip):
    frozen = replace(address, method=Frozen(), trainer=None)
    other = replace(frozen, seed=1)
    described = replace(clip, source_prompt="a square")
    # Its scores do: leakage compares with the source prompt.
    assert differing(digests(frozen, clip), digests(other, described)) == {"state", "score"}
    assert differing(digests(address, clip), digests(frozen, clip)) == TRAINED


def test_a_model_is_its_weights_not_its_folder(address: Address, clip: Clip, tmp_path: Path):
    copy = Path(shutil.copytree(address.model.folder.path, tmp_path / "copy"))
    moved = model(path=str(copy))(address)
    assert digests(moved, clip) == digests(address, clip)
    next((copy / "vae").glob("*.safetensors")).write_bytes(b"other")
    changed = model(path=str(copy))(address)
    assert differing(digests(changed, clip), digests(address, clip)) == ALL


def test_given_embeddings_count_by_content_not_by_place(address: Address, clip: Clip, tmp_path: Path):
    for name, content in {"a": b"1", "b": b"1", "c": b"2"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (digests(method(embeddings=tmp_path / name)(address), clip) for name in "abc")
    assert a == b
    assert differing(a, c) == differing(a, digests(address, clip)) == TRAINED


def test_places_are_readable(address: Address, clip: Clip, tmp_path: Path):
    sample = address.sample(clip, clip.prompts[0], 3).folder.relative_to(tmp_path).as_posix()
    assert sample.startswith("odd_path/generate/motion_inversion-blend-a-red-star-moving-around-on-a-g")
    assert "-3-" in sample
    assert address.text("").folder.name.startswith("empty-")
    assert address.text("../../é ').").folder.parent == tmp_path / "text"


def test_what_is_found_once_is_found(address: Address, clip: Clip):
    prompt, read = clip.prompts[0], list[None]()

    class Counted(ShapesFootage):
        def fingerprint(self) -> str:
            read.append(None)
            return super().fingerprint()

    counted = replace(clip, footage=Counted(**vars(clip.footage)))
    for _ in range(3):
        assert address.sample(counted, prompt, 0) is address.sample(counted, prompt, 0)
        assert address.score(counted, prompt, 0) is not address.score(counted, prompt, 1)
        address.footage(counted)
    assert len(read) == 1
    assert address.state(replace(counted, source_prompt="other")).digest != address.state(counted).digest
