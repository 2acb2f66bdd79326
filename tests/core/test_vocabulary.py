"""Which words of prompts a small vocabulary lacks."""

from motion_inversion.core.vocabulary import told, unknown, words_of

TOKENS = ["a</w>", "re", "red</w>", "star</w>", "ĸ</w>", "!</w>", "<|endoftext|>"]


def test_words_are_tokens_that_end_a_word() -> None:
    assert words_of(TOKENS) == {"a", "red", "star"}


def test_unknown_words_are_named_once_in_their_order_whatever_their_script() -> None:
    known = words_of(TOKENS)
    assert unknown(["a red Star", "A dog, 2 dogs", "ein Stärn 赤い star"], known) == (
        "dog",
        "dogs",
        "ein",
        "stärn",
        "赤い",
    )
    assert unknown(["a red star!"], known) == ()


def test_long_lists_are_shortened() -> None:
    line = told("the judge", tuple(f"w{k}" for k in range(15)), frozenset(f"k{k:03}" for k in range(70)))
    assert "w11 and 3 more" in line
    assert "k059 and 10 more" in line
    assert "\n" not in line
