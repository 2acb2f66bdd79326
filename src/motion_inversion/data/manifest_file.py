"""The formats that lists of clips come in: YAML, JSON lines, and the table of the LOVEU-TGVE 2023 challenge."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from motion_inversion.error import InputError
from motion_inversion.reflection.annotation import shortened
from motion_inversion.storage.document import parse_json, parse_yaml, read_text

Record = dict[str, Any]
Located = tuple[str, Record]  # where in the file a record is, and the record

# The challenge's table heads each part with a line of its own; its media are in one folder for each.
_SECTIONS = {"davis videos": "DAVIS_480p", "youtube videos": "youtube_480p", "videvo videos": "videvo_480p"}
_EDITS = ("Style Change", "Object Change", "Background Change", "Multiple Changes")
_CAPTIONS = ("Our GT caption", "GT caption")
_TGVE = {
    "name": "LOVEU-TGVE 2023",
    "address": "https://github.com/showlab/loveu-tgve-2023",
    "licence": "as stated there, part by part",
}


def read_records(path: Path) -> list[Located]:
    """The records of a list of clips, in the form of a manifest's entries.

    Raises:
        InputError: no such file, another format than .yaml, .jsonl or .csv, or a file that isn't in its format.
    """
    readers: dict[str, Callable[[str], Iterator[Located]]] = {
        ".yaml": _from_yaml,
        ".yml": _from_yaml,
        ".jsonl": _from_json_lines,
        ".csv": _from_table,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is no manifest; accepted are {', '.join(readers)} files: dataset.path=my.yaml")
    text = read_text(path, "set dataset.path=… to a list of clips")
    try:
        return list(reader(text))
    except (yaml.YAMLError, csv.Error, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


class _Loader(yaml.SafeLoader):
    """YAML in which a key that is given twice is an error, not the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise InputError(f"line {node.value[index][0].start_mark.line + 1}: {key} is given twice; keep one")
        return super().construct_mapping(node, deep)


def _from_yaml(text: str) -> Iterator[Located]:
    content = parse_yaml(text, _Loader)
    if not isinstance(content, list):
        raise InputError("a manifest is a list of clips, each starting with '- id: my_clip'")
    for number, record in enumerate(content, 1):
        yield _located(f"clip {number}", record)


def _from_json_lines(text: str) -> Iterator[Located]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            raise InputError(f"line {number} is not JSON ({error}); write one object a line") from error
        yield _located(f"line {number}", record)


def _located(where: str, record: object) -> Located:
    if not isinstance(record, dict):
        raise InputError(f"{where} is {shortened(repr(record))}, not a mapping; a clip starts with an id")
    return (f"clip {record['id']}" if isinstance(record.get("id"), str) else where), record


def _from_table(text: str) -> Iterator[Located]:
    """Clips in the challenge's columns, with or without "Caption" at their ends; other columns are ignored."""
    rows = csv.DictReader(text.splitlines(keepends=True))
    columns = {(name or "").strip().lower().removesuffix(" caption"): name for name in rows.fieldnames or ()}
    caption = next((columns[key] for key in map(_key, _CAPTIONS) if key in columns), None)
    edits = [columns[key] for key in map(_key, _EDITS) if key in columns]
    if "video name" not in columns or caption is None or not edits:
        raise InputError(
            f"its columns are {', '.join(filter(None, rows.fieldnames or ())) or 'none'}; needed are Video name, "
            f"{_CAPTIONS[0]}, and one or more of {', '.join(_EDITS)}"
        )
    folder, source = "", None
    for row in rows:
        name, shown = ((row[key] or "").strip() for key in (columns["video name"], caption))
        if part := _SECTIONS.get(name.lower().rstrip(":")):
            folder, source = f"{part}/480p_videos/", _TGVE
        elif name and shown:
            prompts = list(dict.fromkeys(text for edit in edits if (text := (row[edit] or "").strip())))
            origin = "LOVEU-TGVE 2023" if source else "published with its table"
            yield (
                f"line {rows.line_num}",
                {
                    "id": re.sub(r"[^\w.-]+", "_", Path(name).stem),
                    "file": f"{folder}{name}" + ("" if Path(name).suffix else ".mp4"),
                    "source": source,
                    "source_prompt": {"text": shown, "origin": origin},
                    "prompts": [{"text": prompt, "origin": origin} for prompt in prompts],
                },
            )


def _key(column: str) -> str:
    return column.lower().removesuffix(" caption")
