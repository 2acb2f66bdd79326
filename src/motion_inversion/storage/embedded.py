"""Paths of what ships with the package: "embedded:shapes" names a folder of its weights."""

from importlib.resources import files

PREFIX = "embedded:"


def locate(path: str) -> str:
    """The path itself, or where the package keeps what comes after "embedded:"."""
    if not path.startswith(PREFIX):
        return path
    return str(files("motion_inversion") / "weights" / path.removeprefix(PREFIX))
