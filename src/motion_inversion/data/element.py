"""Elements of Matroska and WebM files (RFC 8794 and 9559)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_LONGEST = 1 << 16  # bytes of an element that is read whole


@dataclass(frozen=True)
class Element:
    """One element of an open file: its identifier, and where its content lies."""

    file: BinaryIO
    kind: int
    start: int
    end: int

    @classmethod
    def whole(cls, file: BinaryIO) -> "Element":
        """The file as if it were one element."""
        return cls(file, 0, 0, file.seek(0, 2))

    def number(self) -> int:
        """Its content as an unsigned integer."""
        self.file.seek(self.start)
        return int.from_bytes(self.file.read(min(self.end - self.start, _LONGEST)), "big")

    def elements(self) -> Iterator["Element"]:
        """Those in it; reading ends where they make no sense, and with one whose size isn't known."""
        at = self.start
        while at < self.end:
            kind, at = self._read_number(at, marked=True)
            size, at = self._read_number(at, marked=False)
            if kind is None:
                return
            end = self.end if size is None else at + size
            if end > self.end:
                return
            yield Element(self.file, kind, at, end)
            at = end

    def find(self, *kinds: int) -> Iterator["Element"]:
        """Those at the end of this chain of identifiers, each inside the one before."""
        for element in self.elements():
            if element.kind == kinds[0]:
                yield from element.find(*kinds[1:]) if kinds[1:] else (element,)

    def _read_number(self, at: int, marked: bool) -> tuple[int | None, int]:
        """The number of variable length there, with or without the bit that marks its length, and where it ends."""
        self.file.seek(at)
        first = self.file.read(1)
        length = 9 - first[0].bit_length() if first else 9
        rest = self.file.read(length - 1)
        if length > 8 or len(rest) < length - 1:
            return None, self.end
        bits = (1 << 7 * length) - 1
        value = int.from_bytes(first + rest, "big")
        if not marked:
            value = value & bits
        return (None if not marked and value == bits else value), at + length
