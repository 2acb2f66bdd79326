"""What a file that should hold weights is instead, by its first bytes."""

from pathlib import Path

from motion_inversion.error import InputError
from motion_inversion.storage.document import parse_json

_HEAD = 512
_LONGEST = 100 << 20  # bytes of a header that safetensors accepts
_TORCHS = (b"PK\x03\x04", b"\x80")  # how files of torch.save begin
_STARTS = {
    b"version https://git-lfs": "a git-lfs pointer, not the file itself: run git lfs pull",
    b"PK\x03\x04": "a zip archive or a PyTorch file, as torch.save writes it",
    b"\x80": "a pickle, as older torch.save writes it",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
    b"{": "JSON",
}


def not_weights(path: Path) -> str:
    """What a file is that can't be read as safetensors; "" if its first bytes are such as those have."""
    try:
        with path.open("rb") as stream:
            head, size = stream.read(_HEAD), path.stat().st_size
    except OSError as error:
        return error.strerror or "unreadable"
    if not size:
        return "an empty file"
    if head[8:9] == b"{":
        needed = 8 + int.from_bytes(head[:8], "little")
        return "" if _whole(path, needed, size) else "cut off: copy or download it again"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML page, as a download that needs a login gives it"
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), "no safetensors file")


def check_weights(path: Path, remedy: str, torchs: bool = False) -> None:
    """Looks at the first bytes of a safetensors file, or of what may be PyTorch's as well.

    Raises:
        InputError: if it is something else, saying what.
    """
    if torchs:
        with path.open("rb") as stream:
            if stream.read(4).startswith(_TORCHS):
                return
    if kind := not_weights(path):
        raise InputError(f"{path} is {kind}; {remedy}")


def _whole(path: Path, header: int, size: int) -> bool:
    """Whether all bytes are there that the header of a safetensors file tells of."""
    if header > size:
        return False
    if header > _LONGEST:
        return True  # whoever reads it says so
    with path.open("rb") as stream:
        try:
            told = parse_json(stream.read(header)[8:].decode())
            return (
                header + max((each["data_offsets"][1] for each in told.values() if "data_offsets" in each), default=0)
                <= size
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return True  # of another form: whoever reads it says so
