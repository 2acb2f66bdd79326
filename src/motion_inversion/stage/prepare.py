"""Reference clip → latents and text states, all that later stages need of encoder and tokenizer; and inverted noise."""

import logging

import torch

from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim, RoundTrip
from motion_inversion.core.shape import Latents
from motion_inversion.data.clip import Clip
from motion_inversion.data.video import write_lossless, write_video
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import TENSORS, VIDEO, VIEW, read_condition, read_tensor, write_tensors
from motion_inversion.stage.progress import shown

log = logging.getLogger(__name__)

_SAME_SPEED = 1.3  # times as fast or slow up to which a clip counts as played at its own speed


def prepare(address: Address, model: Backbone, clip: Clip) -> None:
    """Makes what is missing of a clip's reference and prompts.

    Raises:
        InputError: for footage that can't be read or is too short, or a prompt that is too long.
    """
    with address.reference(clip).making(VIDEO, VIEW, TENSORS) as folder:
        # Read and encoded first of all: what is refused leaves nothing behind.
        encoded = _encoded(model, clip) if folder else None
        _control(address, model, clip)
        for prompt in prompts(address, clip):
            _text(address, model, prompt)
        if folder and encoded:
            video, latents = encoded
            write_lossless(folder / VIDEO, video, model.config.fps)
            write_video(folder / VIEW, video, model.config.fps)
            write_tensors(folder, latents=latents)


def invert(address: Address, model: Backbone, clip: Clip) -> None:
    """Makes the inversion of a prepared clip, if the noise needs it: by the network, when all else has left memory."""
    if address.noise.needs_inversion or address.inversion.measure:
        _inversion(address, model, clip)


def prompts(address: Address, clip: Clip) -> tuple[str, ...]:
    """All that the text encoder is to read for a clip."""
    worded = map(address.worded, (*clip.prompts, clip.source_prompt))
    return (*worded, address.training_prompt(clip), address.negative_prompt, address.inversion_prompt(clip))


def _text(address: Address, model: Backbone, prompt: str) -> None:
    with address.text(prompt).making(TENSORS) as folder:
        if folder:
            tensors = model.embed([prompt]).tensors
            if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
                raise FloatingPointError(f"what the text encoder says of {prompt!r} is not finite")
            write_tensors(folder, **tensors)


def _encoded(model: Backbone, clip: Clip) -> tuple[Pixels, Latents]:
    """The clip's frames at the model's size, and their latents."""
    config = model.config
    video = clip.footage.read(config.frames, config.width, config.height)
    log.info("%s: encoding %d frames of %d×%d", clip.name, config.frames, config.width, config.height)
    _say_speed(clip, config.frames, config.fps)
    latents = model.encode(video)
    if not torch.isfinite(latents).all():
        raise FloatingPointError("the encoded reference is not finite")
    return video, latents


def _say_speed(clip: Clip, frames: int, playback: float) -> None:
    """Logs how long the cut lasts in the clip and in the model's rate, and how to bring the two together."""
    rate = clip.footage.rate(frames)
    if rate is None:
        log.info("%s: its images carry no rate and are played at the model's %g per second", clip.name, playback)
        return
    times = rate / playback
    told = "at the same speed" if abs(times - 1) < 0.05 else f"{max(times, 1 / times):.3g} times "
    told += "" if abs(times - 1) < 0.05 else "slower" if times > 1 else "faster"
    line = f"{clip.name}: the cut lasts {frames / rate:.3g} s and is played in {frames / playback:.3g} s, {told}"
    if _SAME_SPEED > times > 1 / _SAME_SPEED:
        log.info(line)
        return
    if not hasattr(clip.footage, "fps"):  # it is drawn in so many frames, whatever their rate
        log.warning(line)
        return
    stride = f", or a stride {round(times)} times as long," if round(times) > 1 else ""
    log.warning(
        "%s; dataset.fps=%g (fps: %g of a manifest's frames)%s keeps its speed where the clip is long enough",
        *(line, playback, playback, stride),
    )


def _control(address: Address, model: Backbone, clip: Clip) -> None:
    artifact, config = address.control_maps(clip), model.config
    if artifact is None or clip.control_maps is None:
        return
    with artifact.making(VIDEO, VIEW) as folder:
        if folder:
            video = clip.control_maps.read(config.frames, config.width, config.height)
            write_lossless(folder / VIDEO, video, config.fps)
            write_video(folder / VIEW, video, config.fps)


def _inversion(address: Address, model: Backbone, clip: Clip) -> None:
    inversion = address.inverted(clip)
    with inversion.making(TENSORS) as folder:
        if folder:
            latents, condition = _inverted_from(address, clip)
            label = f"{clip.name}: inverting in {address.inversion.steps} steps"
            log.info(label)
            write_tensors(folder, inverted=model.invert(address.inversion, latents, condition, shown(label)))
    if address.inversion.measure:
        _measure(address, model, clip, read_tensor(inversion, "inverted"))


def _inverted_from(address: Address, clip: Clip) -> tuple[Latents, Condition]:
    """The clip's latents, and what the model is told while it inverts them."""
    condition = read_condition(address.text(address.inversion_prompt(clip)))
    return read_tensor(address.reference(clip), "latents"), condition


def _measure(address: Address, model: Backbone, clip: Clip, inverted: Latents) -> None:
    """Logs what becomes of the clip when its inversion is sampled back, without guidance, from the same prompt."""
    latents, condition = _inverted_from(address, clip)

    def denoise(noisy: Latents, t: Stop) -> Latents:
        return model.predict(noisy, t, condition)

    label = f"{clip.name}: sampling back in {address.inversion.steps} steps"
    back = Ddim(address.inversion.steps).sample(model.process, denoise, inverted, shown(label))
    trip = RoundTrip.of(latents.to(back), back)
    log.info(
        "%s: inverted and sampled back, the latents are off by %.1f %% of their deviation and keep %.0f %% of their "
        "contrast",
        clip.name,
        100 * trip.error,
        100 * trip.contrast,
    )
