"""Lists of clips in their three formats."""

import json
from pathlib import Path

import pytest

from motion_inversion.data.manifest_file import read_records
from motion_inversion.error import InputError

CHANGES = ("Style Change", "Object Change", "Background Change", "Multiple Changes")
HEADER = ",".join(["Video name", "Our GT caption", *(f"{change} Caption" for change in CHANGES), "Source"])
TABLE = f"""{HEADER}
DAVIS Videos:,,,,,,
gold-fish,"Goldfish swim, slowly.",Goldfish in oil,Sharks swim.,Goldfish in space,Sharks in space,x
,,,,,,

Youtube Videos:,,,,,,
flyover, A tower ,A tower in ink,A rocket,A rocket,,y
"""


@pytest.fixture
def written(tmp_path: Path):
    """(name, text) → the file."""

    def write(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_yaml_and_json_lines_say_the_same(written) -> None:
    yaml = written("a.yaml", "- id: a\n  prompts: [one]\n- {id: b, frames: {count: 3}}\n")
    lines = written("a.jsonl", '{"id": "a", "prompts": ["one"]}\n\n{"id": "b", "frames": {"count": 3}}\n')
    records = [("clip a", {"id": "a", "prompts": ["one"]}), ("clip b", {"id": "b", "frames": {"count": 3}})]
    assert read_records(yaml) == read_records(lines) == records


def test_a_table_of_the_challenge_gives_files_of_its_layout(written) -> None:
    (_, fish), (where, tower) = read_records(written("a.csv", TABLE))
    assert fish["id"] == "gold-fish"
    assert fish["file"] == "DAVIS_480p/480p_videos/gold-fish.mp4"
    assert fish["source_prompt"] == {"text": "Goldfish swim, slowly.", "origin": "LOVEU-TGVE 2023"}
    assert [p["text"] for p in fish["prompts"]] == [
        "Goldfish in oil",
        "Sharks swim.",
        "Goldfish in space",
        "Sharks in space",
    ]
    assert tower["file"] == "youtube_480p/480p_videos/flyover.mp4"
    assert tower["source_prompt"]["text"] == "A tower"
    assert [p["text"] for p in tower["prompts"]] == ["A tower in ink", "A rocket"]  # each once, none empty
    assert where == "line 7"
    assert json.dumps(tower["source"]).count("loveu-tgve-2023") == 1


def test_a_table_in_its_style_may_leave_columns_and_parts_out(written) -> None:
    path = written("a.csv", "\ufeffVideo name,GT caption,Object Change\nmy car.mov,a car,a tank\nother,a cat,a dog\n")
    (_, mine), (_, other) = read_records(path)
    assert (mine["id"], mine["file"], mine["source"]) == ("my_car", "my car.mov", None)
    assert other["file"] == "other.mp4"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        (
            "a.txt",
            "",
            r"a\.txt is no manifest; accepted are \.yaml, \.yml, \.jsonl, \.csv files: dataset\.path=my\.yaml",
        ),
        ("a.yaml", "id: a\n", r"a\.yaml: a manifest is a list of clips"),
        ("a.yaml", "- [1]\n", r"a\.yaml: clip 1 is \[1\], not a mapping"),
        ("a.yaml", "- {id: a\n", r"a\.yaml: while parsing a flow mapping"),
        ("a.yaml", "- id: a\n  id: b\n", r"a\.yaml: line 2: id is given twice; keep one"),
        ("a.jsonl", '{"id": "a"}\n{"id": \n', r"a\.jsonl: line 2 is not JSON"),
        ("a.jsonl", "[]\n", r"a\.jsonl: line 1 is \[\], not a mapping"),
        ("a.csv", "name,caption\n", r"a\.csv: its columns are name, caption; needed are Video name, Our GT caption"),
        ("a.csv", "", r"a\.csv: its columns are none"),
        ("a.yaml", b"\xff\xfe\x00", r"a\.yaml isn't text in UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(written, name: str, text: str | bytes, fault: str) -> None:
    with pytest.raises(InputError, match=fault) as caught:
        read_records(written(name, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can't read .*none\.yaml: No such file or directory; set dataset\.path=…"):
        read_records(tmp_path / "none.yaml")
