"""Owns writing the page: clips first, then what is known of them, the page itself last."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motion_inversion.report.cost import CostTable
from motion_inversion.report.page.media import Medium, place, sweep
from motion_inversion.report.page.payload import payload
from motion_inversion.report.record import Record
from motion_inversion.report.table import Table
from motion_inversion.storage.file import replacing

log = logging.getLogger(__name__)

PAGE = "report.html"
FOLDER = "page"  # beside the page: its scripts, style, data and clips


def write_page(
    records: Sequence[Record],
    tables: Mapping[str, Table],
    target: Path,
    title: str,
    files: Sequence[str] = (),
    faults: Sequence[str] = (),
    cost: CostTable | None = None,
) -> Path:
    """Writes `target`/report.html and `target`/page, which open from disk, wherever the folder is moved to.

    `tables` by their titles, the first is shown first; `faults` are lines on what couldn't be read. The page
    links to `files`, the tables and figures of the same report beside it. Clips that are missing or damaged are
    shown as such.
    Each file is replaced as a whole, so that an interrupted page is simply written again.

    Returns: the page.

    Raises:
        InputError: a file can't be written.
    """
    folder = target / FOLDER
    clips = folder / "media"
    kept: dict[Path, Medium] = {}

    def media(record: Record) -> tuple[Medium, Medium]:
        for video in (record.video, record.reference):
            if video not in kept:
                kept[video] = place(video, record.clip, clips)
        return kept[record.video], kept[record.reference]

    content = payload(title, records, tables, media, faults, sorted(files), cost)
    if unplayable := sum(bool(medium.fault) for medium in kept.values()):
        log.warning("%d clips of the page are missing or damaged, and shown as such", unplayable)
    _write(folder / "data.js", f"window.REPORT = {_script(content)};\n")
    assets = Path(__file__).with_name("asset")
    for asset in sorted(assets.iterdir(), key=lambda asset: asset.name == PAGE):
        _write((target if asset.name == PAGE else folder) / asset.name, asset.read_text(encoding="utf-8"))
    sweep(clips, kept.values())
    return target / PAGE


def _script(content: dict[str, Any]) -> str:
    return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
