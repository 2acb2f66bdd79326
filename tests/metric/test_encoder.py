"""CLIP encoders: agreement with open_clip, and what is said about bad folders, files and prompts."""

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from motion_inversion.__main__ import _conf  # pyright: ignore[reportPrivateUsage]
from motion_inversion.command import arguments
from motion_inversion.command.jobs import rehearse
from motion_inversion.error import InputError
from motion_inversion.metric.encoder import FolderClip, OpenClip


def noise(frames: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def cut(video: np.ndarray) -> torch.Tensor:
    """PIL's bilinear resize of 64 × 128 frames to 32 × 64, the middle 32 columns, normalised."""
    frames = [np.asarray(Image.fromarray(frame).resize((64, 32), Image.Resampling.BILINEAR)) for frame in video]
    pixels = torch.from_numpy(np.stack(frames)[:, :, 16:48]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(row)[:, None, None] for row in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)))
    return (pixels - mean) / std


def test_a_folder_is_preprocessed_for_as_its_config_says(clip_folder: Path) -> None:
    video = noise(5, 64, 128)
    model: Any = open_clip.create_model(f"local-dir:{clip_folder}").eval()
    with torch.no_grad():
        expected = model.encode_image(cut(video))
    found = FolderClip(clip_folder, batch_size=2).load("cpu").embed_image(video)
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True), rtol=0, atol=1e-5)


def test_frames_are_embedded_one_by_one_in_any_batch_size(clip_folder: Path) -> None:
    video = noise(5, 40, 40)
    rows = [FolderClip(clip_folder, batch_size=size).load("cpu").embed_image(video) for size in (2, 5)]
    torch.testing.assert_close(*rows)
    torch.testing.assert_close(rows[0].norm(dim=1), torch.ones(5))
    assert (rows[0][0] - rows[0][1]).norm() > 1e-3


def test_a_custom_vocabulary_makes_its_words_single_tokens(clip_folder: Path) -> None:
    loaded = FolderClip(clip_folder).load("cpu")
    # Ids: 256 bytes, 256 bytes that end a word, five merges in order, start 517, end 518; "a" is the byte 97,
    # number 64 of the printable ones from "!" = 33 on, in its form that ends a word.
    assert loaded.tokenizer(["a red disc"]).tolist() == [[517, 256 + 64, 513, 516, 518, 0, 0, 0]]


def test_texts_are_unit_vectors_and_tell_words_apart(clip_folder: Path) -> None:
    rows = FolderClip(clip_folder, batch_size=2).load("cpu").embed_text(["red", "disc", "red disc", "Red"])
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(rows[0], rows[3])
    assert torch.pdist(rows[:3]).min() > 1e-3


def test_a_prompt_may_fill_the_context_and_no_more(clip_folder: Path) -> None:
    loaded = FolderClip(clip_folder).load("cpu")
    assert loaded.embed_text(["red " * 6]).shape == (1, 16)
    with pytest.raises(InputError, match="has 9 tokens.* takes 8; shorten"):
        loaded.embed_text(["red", "disc " * 7])
    with pytest.raises(InputError, match="has 102 tokens"):
        loaded.embed_text(["xyz!" * 25])


@pytest.mark.parametrize("name", FolderClip.FILES)
def test_a_missing_file_is_named(clip_folder: Path, name: str) -> None:
    (clip_folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name} is missing.*_judge.folder="):
        FolderClip(clip_folder).load("cpu")


def test_a_vocabulary_of_another_size_is_refused(clip_folder: Path) -> None:
    merges = clip_folder / "bpe_simple_vocab.txt.gz"
    merges.write_bytes(gzip.compress(gzip.decompress(merges.read_bytes()) + b"\n"))
    with pytest.raises(InputError, match="makes 520 tokens but text_cfg.vocab_size is 519"):
        FolderClip(clip_folder).load("cpu")


def test_broken_folders_are_explained_in_one_line(clip_folder: Path) -> None:
    config = clip_folder / "open_clip_config.json"
    good = json.loads(config.read_text())
    for broken in ("{", "{}", json.dumps(good | {"model_cfg": good["model_cfg"] | {"embed_dim": 8}})):
        config.write_text(broken)
        with pytest.raises(InputError, match="can't read FolderClip") as caught:
            FolderClip(clip_folder).load("cpu")
        assert "\n" not in str(caught.value)


def test_a_version_follows_content_not_place(clip_folder: Path) -> None:
    first = FolderClip(clip_folder).version()
    moved = clip_folder.rename(clip_folder.with_name("elsewhere"))
    assert FolderClip(moved).version() == first
    (moved / "open_clip_model.safetensors").write_bytes(b"other")
    assert FolderClip(moved).version() != first
    assert OpenClip().version() == "ViT-B-32-quickgelu/openai"


def test_a_local_weights_file_is_named_by_its_checksum(tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"abc")
    # The well-known SHA-256 of "abc" begins so (FIPS 180-2, appendix B.1).
    assert OpenClip(pretrained=str(weights)).version() == "ViT-B-32-quickgelu/sha256:ba7816bf8f01"
    weights.write_bytes(b"abcd")
    assert OpenClip(pretrained=str(weights)).version() != "ViT-B-32-quickgelu/sha256:ba7816bf8f01"
    with pytest.raises(InputError, match="can't read .*gone.bin"):
        OpenClip(pretrained=str(tmp_path / "gone.bin")).version()


def test_a_built_in_model_loads_a_local_weights_file(clip_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads((clip_folder / "open_clip_config.json").read_text())["model_cfg"]
    config["text_cfg"]["vocab_size"] = 49408  # built-in models come with open_clip's own vocabulary
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", config)
    weights = clip_folder / "tiny.pt"
    torch.save(open_clip.create_model("tiny").state_dict(), weights)
    loaded = OpenClip("tiny", str(weights)).load("cpu")
    similarity = loaded.embed_image(noise(2, 32, 32)) @ loaded.embed_text(["a red disc"]).T
    assert similarity.shape == (2, 1)
    assert similarity.abs().max() <= 1
    with pytest.raises(InputError, match=r"has 9 tokens.* takes 8"):
        loaded.embed_text(["a red disc moves up and right"])


def test_a_file_that_isnt_weights_is_called_what_it_is(tmp_path: Path) -> None:
    for content, kind in ((b"<html>", "an HTML page"), (b"", "an empty file"), (b"x", "no safetensors file")):
        (tmp_path / "clip.bin").write_bytes(content)
        with pytest.raises(InputError, match=rf"clip\.bin is {kind}.*; set _judge\.pretrained=/path/to/"):
            OpenClip(pretrained=str(tmp_path / "clip.bin")).load("cpu")


def test_the_key_that_messages_ask_to_set_is_there() -> None:
    command = arguments.read(["judge=openai", "_judge.pretrained=/there/is/none"])
    [experiment] = rehearse(command, _conf()).built
    assert [metric.encoder.pretrained for metric in experiment.metric.values() if hasattr(metric, "encoder")][
        0
    ] == "/there/is/none"


def test_bad_names_are_explained() -> None:
    with pytest.raises(InputError, match="model_name=ViT-B-23: accepted are .*ViT-B-"):
        OpenClip("ViT-B-23").load("cpu")
    with pytest.raises(InputError, match="pretrained=opneai: accepted for ViT-B-32-quickgelu are a .*and openai,"):
        OpenClip(pretrained="opneai").load("cpu")


def test_a_failed_download_says_how_to_give_a_file(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> str:
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s")
        raise OSError("no route\nto host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained", refuse)
    with pytest.raises(InputError, match="openai.*no route to host.*judge.pretrained=/path/to/") as caught:
        OpenClip().load("cpu")
    assert "\n" not in str(caught.value)
    assert max((record.levelno for record in caplog.records), default=0) <= logging.INFO  # open_clip says it as well
