"""The help page at the width of the terminal."""

import re
import shutil
import textwrap
from collections.abc import Iterator

_WIDEST = 120  # longer lines are hard to read


def fitted(page: str) -> str:
    """The page with lines that are too long for the terminal wrapped, words below where they began."""
    width = min(_WIDEST, shutil.get_terminal_size((100, 24)).columns)
    return "".join(f"{line}\n" for text in page.rstrip("\n").splitlines() for line in _wrapped(text, width))


def _wrapped(line: str, width: int) -> Iterator[str]:
    if len(line) <= width:
        yield line
        return
    start = re.match(r"\s*(?:\S.*?\s{3,}|[\w/]+: )?", line)
    hanging = " " * min(len(start[0]) if start else 0, width // 2)
    yield from textwrap.wrap(line, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
