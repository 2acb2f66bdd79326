"""Weights of one topology as a start for another: Wan's blocks from CogVideoX's.

Both attend over the same video tokens in the same order, so that what a trained CogVideoX knows of latents (patches,
values, feed-forward layers) serves Wan from the first step. What differs is fitted: joint attention becomes
self-attention and cross-attention of the same projections; modulations by the noise level become a mean for each block,
and what changes with the level is what all blocks have in common; rotary frequencies are paired with the nearest. A
start, not an equivalent: training does the rest.
"""

from typing import Any

import torch
from torch import Tensor, nn

# Pairs of channels of a head turn by position: CogVideoX's 4 of time, 6 of height, 6 of width; Wan's 6, 5, 5. Each has
# the frequencies 10000^(-i/pairs). Here, for each of Wan's pairs, the one of CogVideoX's that turns most alike; the
# slowest of height and width, which hardly turn, become two of time.
PAIRS = (0, 1, 15, 2, 3, 9, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14)
TEXT_SHARE = 0.3  # of what joint attention reads from text, roughly
LINEAR = 3.0  # where GELU is the identity
RIDGE = 1e-4  # of the fit of time, as a share of its features' size


@torch.no_grad()
def wan_from_cogvideox(wan: Any, cogvideox: Any, levels: Tensor, times: Tensor) -> None:
    """Fills `wan` from `cogvideox`, both of equal width, heads and number of blocks.

    levels, times: The noise levels (k,) of CogVideoX at which modulations are read, and what Wan calls these levels.
    """
    embedding = cogvideox.time_embedding(cogvideox.time_proj(levels))
    _patches(wan, cogvideox)
    _text(wan, cogvideox)
    pairs = list(zip(wan.blocks, cogvideox.transformer_blocks, strict=True))
    modulations = torch.stack([_block(target, source, embedding) for target, source in pairs])
    _time(wan.condition_embedder, times, modulations.mean(0))
    _end(wan, cogvideox, embedding)


def _patches(wan: Any, cogvideox: Any) -> None:
    wan.patch_embedding.weight.copy_(cogvideox.patch_embed.proj.weight.unsqueeze(2))
    wan.patch_embedding.bias.copy_(cogvideox.patch_embed.proj.bias)


def _text(wan: Any, cogvideox: Any) -> None:
    """The text's projection through the straight part of GELU, then centred and brought to unit size, as by a norm."""
    projection, embedder = cogvideox.patch_embed.text_proj, wan.condition_embedder.text_embedder
    scale = 0.3
    embedder.linear_1.weight.copy_(scale * projection.weight)
    embedder.linear_1.bias.copy_(scale * projection.bias + LINEAR)
    spread = (projection.weight.square().sum(1) + projection.bias.square()).mean().sqrt()
    width = len(projection.weight)
    embedder.linear_2.weight.copy_((torch.eye(width, device=projection.weight.device) - 1 / width) / (scale * spread))
    embedder.linear_2.bias.zero_()


def _time(embedder: Any, times: Tensor, modulations: Tensor) -> None:
    """Fits the projection of time, which all blocks share, to what varies with it in the blocks' mean (k, 6·c)."""
    known = nn.functional.silu(embedder.time_embedder(embedder.timesteps_proj(times)))
    varying = modulations - modulations.mean(0)
    known, centre = known - known.mean(0), known.mean(0)
    damped = known.T @ known + RIDGE * known.square().sum(1).mean() * torch.eye(known.shape[1]).to(known)
    embedder.time_proj.weight.copy_(torch.linalg.solve(damped, known.T @ varying).T)
    embedder.time_proj.bias.copy_(-embedder.time_proj.weight @ centre)


def _modulations(norm: Any, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Shift, scale and gate, with the norm's own weights, at k noise levels: of the video and of the text (k, 3, c)."""
    given = norm.linear(norm.silu(embedding)).unflatten(1, (6, -1))
    shift, scale, gate = given.unflatten(1, (2, 3)).unbind(2)
    weight, bias = norm.norm.weight, norm.norm.bias
    video, text = torch.stack((bias * (1 + scale) + shift, weight * (1 + scale) - 1, gate), dim=2).unbind(1)
    return video, text


def _block(target: Any, source: Any, embedding: Tensor) -> Tensor:
    """Fills a block; its modulations at all noise levels (k, 6·c), of which it holds the mean."""
    (video, text), (forward, _) = _modulations(source.norm1, embedding), _modulations(source.norm2, embedding)
    modulations = torch.cat((video, forward), dim=1)
    target.scale_shift_table.copy_(modulations.mean(0, keepdim=True))
    shift, scale, gate = video.mean(0)
    text_shift, text_scale, _ = text.mean(0)
    heads = source.attn1.heads
    for attention in (target.attn1, target.attn2):
        for name in ("to_q", "to_k"):  # normed by their size alone here, by their mean, too, there
            getattr(attention, name).weight.copy_(_centred(getattr(source.attn1, name).weight, heads))
            getattr(attention, name).bias.copy_(_centred(getattr(source.attn1, name).bias, heads))
        attention.to_v.load_state_dict(source.attn1.to_v.state_dict())
        attention.norm_q.weight.copy_(source.attn1.norm_q.weight.repeat(heads))
        attention.norm_k.weight.copy_(source.attn1.norm_k.weight.repeat(heads))
        attention.to_out[0].load_state_dict(source.attn1.to_out[0].state_dict())
    for name, norm in (("to_q", "norm_q"), ("to_k", "norm_k")):
        projection = getattr(target.attn1, name)
        projection.weight.copy_(_turned(projection.weight, heads))
        projection.bias.copy_(_turned(projection.bias, heads))
        getattr(target.attn1, norm).weight.copy_(_turned(getattr(target.attn1, norm).weight, heads))
    # Cross-attention reads its query after a norm without the noise level, its text without any.
    target.norm2.weight.copy_(1 + scale)
    target.norm2.bias.copy_(shift)
    for name in ("to_k", "to_v"):
        projection = getattr(target.attn2, name)
        projection.bias.add_(projection.weight @ text_shift)
        projection.weight.mul_(1 + text_scale)
    for parameter in (target.attn2.to_out[0].weight, target.attn2.to_out[0].bias):
        parameter.mul_(TEXT_SHARE * gate.view(-1, *(1,) * (parameter.ndim - 1)))
    target.ffn.net[0].proj.load_state_dict(source.ff.net[0].proj.state_dict())
    target.ffn.net[2].load_state_dict(source.ff.net[2].state_dict())
    return modulations.flatten(1)


def _centred(channels: Tensor, heads: int) -> Tensor:
    split = channels.unflatten(0, (heads, -1))
    return (split - split.mean(1, keepdim=True)).flatten(0, 1)


def _turned(channels: Tensor, heads: int) -> Tensor:
    """Rows of a query or key projection, with each head's pairs in the order of Wan's frequencies."""
    pairs = channels.unflatten(0, (heads, len(PAIRS), 2))
    return pairs[:, list(PAIRS)].flatten(0, 2)


def _end(wan: Any, cogvideox: Any, embedding: Tensor) -> None:
    """The last norms, two in CogVideoX, and the way from tokens to patches, whose numbers Wan orders otherwise."""
    first, last = cogvideox.norm_final, cogvideox.norm_out
    shift, scale = last.linear(last.silu(embedding)).mean(0).chunk(2)
    size = (first.weight.square().mean() + first.bias.var()).sqrt()
    weight, bias = first.weight / size, (first.bias - first.bias.mean()) / size
    weight, bias = weight * last.norm.weight, bias * last.norm.weight + last.norm.bias
    wan.scale_shift_table.copy_(torch.stack((bias * (1 + scale) + shift, weight * (1 + scale) - 1)).unsqueeze(0))
    patch = cogvideox.config.patch_size
    for name in ("weight", "bias"):
        rows = getattr(cogvideox.proj_out, name)
        getattr(wan.proj_out, name).copy_(rows.unflatten(0, (-1, patch * patch)).transpose(0, 1).flatten(0, 1))
