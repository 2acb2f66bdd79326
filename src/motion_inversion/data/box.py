"""Boxes of files in the ISO base media format: MP4, QuickTime, AVIF (ISO 14496-12 and 23008-12)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

Described = list[tuple[bytes, bytes]]  # boxes by their types and contents

_LONGEST = 1 << 20  # bytes of a box that is read whole: descriptions, never pictures
_FIXED_FIELDS = 78  # bytes of a video's sample entry before the boxes in it


@dataclass(frozen=True)
class Box:
    """One box of an open file: its type, and where its content lies."""

    file: BinaryIO
    kind: bytes
    start: int
    end: int

    def content(self) -> bytes:
        """Its first bytes, all of them in any box that describes."""
        self.file.seek(self.start)
        return self.file.read(min(self.end - self.start, _LONGEST))

    def boxes(self, skip: int = 0) -> Iterator["Box"]:
        """Those in it, after `skip` bytes of fields; reading ends where they make no sense."""
        at = self.start + skip
        while at + 8 <= self.end:
            self.file.seek(at)
            head = self.file.read(16)
            size, kind, fields = int.from_bytes(head[:4], "big"), head[4:8], 8
            if size == 1:
                size, fields = int.from_bytes(head[8:16], "big"), 16
            end = at + size if size else self.end
            if end < at + fields or end > self.end:
                return
            yield Box(self.file, kind, at + fields, end)
            at = end

    def find(self, *kinds: bytes) -> Iterator["Box"]:
        """Those at the end of this chain of kinds, each inside the one before."""
        for box in self.boxes():
            if box.kind == kinds[0]:
                yield from box.find(*kinds[1:]) if kinds[1:] else (box,)


def whole(file: BinaryIO) -> Box:
    """The file as if it were one box."""
    return Box(file, b"", 0, file.seek(0, 2))


def of_track(file: BinaryIO, number: int) -> Described:
    """What describes the pictures of the video track of this number."""
    for track in whole(file).find(b"moov", b"trak"):
        header = next((box.content() for box in track.find(b"tkhd")), b"")
        at = 20 if header[:1] == b"\1" else 12
        if int.from_bytes(header[at : at + 4], "big") == number:
            return _described(track)
    return []


def of_first_film(file: BinaryIO) -> Described:
    """What describes the pictures of the first track of pictures, as of an animated AVIF."""
    for track in whole(file).find(b"moov", b"trak"):
        if any(box.content()[8:12] == b"pict" for box in track.find(b"mdia", b"hdlr")):
            return _described(track)
    return []


def of_primary_item(file: BinaryIO) -> Described:
    """The properties of the image that a file is opened for, in the order in which they are applied."""
    for meta in (box for box in whole(file).boxes() if box.kind == b"meta"):
        inside = {box.kind: box for box in meta.boxes(4)}
        if not {b"pitm", b"iprp"} <= inside.keys():
            return []
        named = inside[b"pitm"].content()
        item = int.from_bytes(named[4 : 6 if named[0] == 0 else 8], "big")
        held = [box for part in inside[b"iprp"].find(b"ipco") for box in part.boxes()]
        places = [place for part in inside[b"iprp"].find(b"ipma") for place in _associated(part.content(), item)]
        return [(held[place - 1].kind, held[place - 1].content()) for place in places if 0 < place <= len(held)]
    return []


def _described(track: Box) -> Described:
    for table in track.find(b"mdia", b"minf", b"stbl", b"stsd"):
        for entry in table.boxes(8):
            return [(box.kind, box.content()) for box in entry.boxes(_FIXED_FIELDS)]
    return []


def _associated(content: bytes, wanted: int) -> Iterator[int]:
    """The numbers, from 1, of the properties that a table of associations gives to an item."""
    wide_item, wide_place = content[:1] != b"\0", content[3:4] == b"\1"
    at = 8
    for _ in range(int.from_bytes(content[4:8], "big")):
        item = int.from_bytes(content[at : at + (4 if wide_item else 2)], "big")
        at += 4 if wide_item else 2
        if at >= len(content):
            return
        count, width = content[at], 2 if wide_place else 1
        places = [content[at + 1 + width * index : at + 1 + width * (index + 1)] for index in range(count)]
        at += 1 + width * count
        if item == wanted:
            yield from (int.from_bytes(place, "big") & (0x7FFF if wide_place else 0x7F) for place in places)
