"""Target prompts from a text file, one a line."""

from pathlib import Path

from motion_inversion.data.location import expanded
from motion_inversion.error import InputError
from motion_inversion.storage.document import read_text


def read_prompts(path: str | Path) -> tuple[str, ...]:
    """The lines of a UTF-8 text file, less blank ones and those that begin with #.

    Raises:
        InputError: no such file, no text, or no prompt in it.
    """
    given = f"dataset.prompts_file={path}"
    try:
        text = read_text(expanded(path), "give a text file with a prompt a line")
    except InputError as error:
        raise InputError(f"{given}: {error}") from error
    lines = [line.strip() for line in text.splitlines()]
    prompts = tuple(line for line in lines if line and not line.startswith("#"))
    if not prompts:
        raise InputError(f"{given} has no prompts; write one a line, # begins a comment")
    return prompts
