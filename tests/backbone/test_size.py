"""Clip lengths and sizes that autoencoders and patches divide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motion_inversion.backbone.size import Compression
from motion_inversion.error import InputError

PICTURES = Compression()
WAN = Compression(4, 8, (1, 2, 2), "alone")
COGVIDEOX = Compression(4, 8, (1, 2, 2), "odd")
PATCHED = Compression(4, 8, (2, 2, 2), "odd")  # CogVideoX 1.5
ALLEGRO = Compression(4, 8, (1, 2, 2))
LTX = Compression(8, 32, first="alone")
ALL = (PICTURES, WAN, COGVIDEOX, PATCHED, ALLEGRO, LTX)


@pytest.mark.parametrize(
    ("compression", "frames", "expected"),
    [
        (PICTURES, 16, 16),
        (PICTURES, 5, 5),
        (WAN, 81, 21),
        (WAN, 80, None),
        (WAN, 5, 2),
        (COGVIDEOX, 49, 13),
        (COGVIDEOX, 48, 12),
        (COGVIDEOX, 50, None),
        (COGVIDEOX, 13, None),  # 4 latent frames, which decode to 16
        (COGVIDEOX, 12, None),  # 3, which decode to 9
        (PATCHED, 80, 20),
        (PATCHED, 85, None),  # 22 latent frames, which decode to 88
        (PATCHED, 81, None),  # 21 latent frames, of which a patch takes two
        (ALLEGRO, 88, 22),
        (ALLEGRO, 89, None),
        (LTX, 161, 21),
        (Compression(1, 8, (1, 2, 2), "alone"), 16, 16),  # an autoencoder of pictures in place of a causal one
    ],
)
def test_no_frame_is_dropped(compression: Compression, frames: int, expected: int | None) -> None:
    assert compression.latent_frames(frames) == expected


def test_latents_and_tokens_divide_a_clip() -> None:
    latents = WAN.latents(81, 480, 832)
    assert latents == (21, 60, 104)
    assert WAN.tokens(latents) == (21, 30, 52)
    assert PATCHED.tokens(PATCHED.latents(80, 768, 1360)) == (10, 48, 85)
    assert PICTURES.tokens(PICTURES.latents(16, 320, 512)) == (16, 40, 64)


@pytest.mark.parametrize(
    ("compression", "size", "message"),
    [
        (PICTURES, (16, 60, 64), r"model\.width=60: accepted are multiples of 8; set model\.width=64$"),
        (PICTURES, (16, 64, 0), r"model\.height=0: accepted are multiples of 8; set model\.height=8$"),
        (WAN, (81, 840, 480), r"model\.width=840: accepted are multiples of 16; set model\.width=832$"),
        (LTX, (161, 704, 500), r"model\.height=500: accepted are multiples of 32; set model\.height=512$"),
        (PICTURES, (1, 64, 64), r"model\.frames=1: motion takes at least 2 frames; set model\.frames=16$"),
        (WAN, (1, 64, 64), r"model\.frames=1: motion takes at least 2 frames; set model\.frames=17$"),
        (WAN, (80, 64, 64), r"model\.frames=80: .* 4k\+1 frames, .* nearest are 77 and 81; set model\.frames=81$"),
        (WAN, (3, 64, 64), r"4k\+1 frames, two latent ones at least, .* nearest are 5; set model\.frames=5$"),
        (ALLEGRO, (86, 64, 64), r" takes 4k frames, .* nearest are 84 and 88;"),
        (COGVIDEOX, (50, 64, 64), r" takes 8k or 8k\+1 frames, .* nearest are 49 and 56;"),
        (PATCHED, (81, 64, 64), r" takes 8k frames, .* nearest are 80 and 88;"),
        (WAN, (1024, 64, 64), r" nearest are 1021; set model\.frames=1021$"),
        (COGVIDEOX, (12, 64, 64), r"nearest are 9 and 16; set model\.frames=16$"),
        (LTX, (160, 64, 64), r" takes 8k\+1 frames, .* nearest are 153 and 161;"),
    ],
)
def test_what_does_not_divide_is_refused_with_the_nearest(
    compression: Compression, size: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compression.check(*size)


@given(
    compression=st.sampled_from(ALL), frames=st.integers(2, 400), rows=st.integers(1, 40), columns=st.integers(1, 40)
)
def test_what_passes_is_made_of_whole_tokens_and_so_is_what_is_suggested(
    compression: Compression, frames: int, rows: int, columns: int
) -> None:
    width, height = columns * compression.multiple, rows * compression.multiple
    if (compression.latent_frames(frames) or 0) < 2:
        with pytest.raises(InputError, match=rf"model\.frames={frames}: ") as caught:
            compression.check(frames, width, height)
        frames = int(str(caught.value).rpartition("model.frames=")[2])
    compression.check(frames, width, height)
    latents = compression.latents(frames, height, width)
    tokens = compression.tokens(latents)
    assert latents[0] > 1 and min(tokens) >= 1
    assert all(token * patch == side for token, patch, side in zip(tokens, compression.patch, latents, strict=True))
    assert (latents[1] * compression.space, latents[2] * compression.space) == (height, width)
