"""Target prompts from a text file, one a line."""

from pathlib import Path

from motion_inversion.error import InputError


def read_prompts(path: str | Path) -> tuple[str, ...]:
    """The lines of a UTF-8 text file, less blank ones and those that begin with #.

    Raises:
        InputError: no such file, no text, or no prompt in it.
    """
    given = f"dataset.prompts_file={path}"
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{given} can't be read ({error.strerror}); give a text file with a prompt a line") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{given} is no UTF-8 text; save it as UTF-8, with a prompt a line") from error
    lines = [line.strip() for line in text.splitlines()]
    prompts = tuple(line for line in lines if line and not line.startswith("#"))
    if not prompts:
        raise InputError(f"{given} has no prompts; write one a line, # begins a comment")
    return prompts
