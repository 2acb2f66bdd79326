"""The help page, at the width of the terminal."""

import re
import shutil
import string
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

_WIDEST = 120  # longer lines are hard to read


def page(template: str, folders: Iterable[Path]) -> str:
    """A root's page, with the groups and options of its folders of YAML files where the template asks for them.

    Hydra's own would ask for each group anew, and takes seconds.
    """
    return _fitted(string.Template(template).safe_substitute(APP_CONFIG_GROUPS=_groups(folders)))


def _groups(folders: Iterable[Path]) -> str:
    options: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.rglob("*.yaml"):
            group = path.parent.relative_to(folder).as_posix()
            if group != "." and group.partition("/")[0] != "hydra":
                options.setdefault(group, set()).add(path.stem)
    return "".join(f"{group}: {', '.join(sorted(names))}\n" for group, names in sorted(options.items()))


def _fitted(page: str) -> str:
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
