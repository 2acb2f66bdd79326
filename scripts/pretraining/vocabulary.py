"""A byte-pair vocabulary in which every caption word is one token, in the file formats of both text encoders."""

import gzip
import json
from pathlib import Path

from open_clip.tokenizer import bytes_to_unicode

END = "</w>"
CONTEXT = 32  # tokens, the start and end marks included


def merges_for(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Merge rules, in order, that join the letters of every word from left to right into one token."""
    rules: list[tuple[str, str]] = []
    for word in words:
        parts = [*word[:-1], word[-1] + END]
        for rule in rules:
            parts = _apply(rule, parts)
        while len(parts) > 1:
            rule = (parts[0], parts[1])
            rules.append(rule)
            parts = _apply(rule, parts)
    return rules


def _apply(rule: tuple[str, str], parts: list[str]) -> list[str]:
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == rule:
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def vocabulary(rules: list[tuple[str, str]]) -> list[str]:
    """Tokens in id order: bytes, bytes that end a word, merged tokens, start and end marks."""
    letters = list(bytes_to_unicode().values())
    merged = ["".join(rule) for rule in rules]
    return [*letters, *(letter + END for letter in letters), *merged, "<|startoftext|>", "<|endoftext|>"]


def write_clip_tokenizer(folder: Path, rules: list[tuple[str, str]]) -> None:
    """The files of a transformers CLIPTokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary(rules)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in rules))
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CONTEXT,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))


def write_open_clip_vocabulary(path: Path, rules: list[tuple[str, str]]) -> None:
    """The compressed merge list that open_clip's SimpleTokenizer reads; time-stamp free, hence reproducible."""
    text = "#version: 0.2\n" + "\n".join(f"{a} {b}" for a, b in rules)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
