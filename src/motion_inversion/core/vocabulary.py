"""Words that a small text encoder knows, and those of prompts that it would spell letter by letter."""

import re
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

_END = "</w>"  # how byte-pair tokens say that a word ends
_NAMED = 12  # words that a message names

Vocabulary = frozenset[str]


@runtime_checkable
class Reader(Protocol):
    """What reads prompts, with a vocabulary that may be too small for them."""

    def vocabulary(self) -> Vocabulary | None:
        """The words that are a token of their own; None where it has pieces for any text."""
        ...


def words_of(tokens: Iterable[str]) -> Vocabulary:
    """The words among byte-pair tokens: those in small letters that end one, single letters included."""
    ends = (token.removesuffix(_END) for token in tokens if token.endswith(_END))
    return frozenset(word for word in ends if word.isalpha() and word.isascii() and word.islower())


def unknown(prompts: Iterable[str], known: Vocabulary) -> tuple[str, ...]:
    """The words of the prompts that aren't known, each once, in their order."""
    found = (word for prompt in prompts for word in re.findall(r"[^\W\d_]+", prompt.lower()))
    return tuple(dict.fromkeys(word for word in found if word not in known))


def told(reader: str, words: tuple[str, ...], known: Vocabulary) -> str:
    """A line that says which words `reader` doesn't know, and which it does."""
    whole = sorted(word for word in known if len(word) > 1)
    return (
        f"{reader} never learnt {_listed(words)}: spelled out letter by letter, they mean nothing to it; it knows "
        f"{_listed(whole, 60)}"
    )


def _listed(words: Iterable[str], most: int = _NAMED) -> str:
    listed = list(words)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
