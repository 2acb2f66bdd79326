"""Captions and file names as people write them: read as they are, or with an override to paste that gives them."""

import shlex
import subprocess
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from motion_inversion.command.override import as_text, read, several
from motion_inversion.error import InputError

CAPTIONS = (
    "a cat running", "a cat, running", "it's a cat", 'a "cat"', "a 'cat'", "un café noir", "一只猫在跑", "кот бежит",
    "قطة تجري", "a cat 🐱", "👩‍🚀 on the moon", "a cat (running)", "[a] cat", "a {cat}", "cat = dog", "scene: a cat",
    "cats; dogs", "50% off", "$5 bill", "${5} bill", "a ${cat}", "#1 cat", "cat & dog", "cat | dog", "cat < dog",
    "cat > dog", "what? a cat", "a cat!", "a cat.", "...", "a/b", "a\\b", "ends with \\", "\\${x} and \\", "~cat",
    "a ~ b", "`cat`", "cat^2", "cat * 2", "a+b", "@cat", "a_b-c", "true", "null", "123", "1.5", "1e5", "inf", "a  b",
    " leading", "tab\there", "new\nline", "a\u00a0b", "a — b", "“quoted”", "int(3)", "choice(a,b)", "range(1,3)",
    "[a, b]", "{a: b}", "a cat,", ",", "'", '"', "'\"", "a\\\"b' ${c", "C:\\clips\\(1)\\x.mp4", "key=value", "=",
)  # fmt: skip
FILES = (
    "car.mp4", "my car.mp4", "car (1).mp4", "car [x].mp4", "[x].mp4", "(1).mp4", "car,bus.mp4", "café.mp4", "車.mp4",
    "кот.mp4", "🐱.mp4", "it's.mp4", 'a"b.mp4', "a=b.mp4", "a:b.mp4", "a#b.mp4", "#1.mp4", "a%20b.mp4", "a$b.mp4",
    "${a}.mp4", "a&b.mp4", "a;b.mp4", "a!b.mp4", "a{b}.mp4", "a+b.mp4", "a@b.mp4", "a~b.mp4", "-a.mp4", "a\\b.mp4",
    "a|b.mp4", "a<b>.mp4", "a*b?.mp4", "a^b.mp4", "a`b.mp4", "2024.mp4", "1", "true", "a  b.mp4", "dir.with.dots/a.mp4",
    "a\nb.mp4", "a\udcffb.mp4", "IMG 0001 (copy), final [v2] — é.mov",
)  # fmt: skip


def loader() -> ConfigLoaderImpl:
    search: ConfigSearchPath = ConfigSearchPathImpl()
    return ConfigLoaderImpl(search)


def value(line: str) -> object:
    """What an override gives a configuration, interpolations resolved."""
    (override,) = OverridesParser.create().parse_overrides([line])
    assert not override.is_sweep_override()
    return OmegaConf.to_container(OmegaConf.create({"it": override.value()}), resolve=True)["it"]  # pyright: ignore


def pasted(words: str) -> list[str]:
    """The words that bash makes of what is pasted."""
    printed = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True).stdout
    return printed.decode(errors="surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("text", [*CAPTIONS, *FILES])
def test_the_override_to_paste_gives_the_text_as_it_is(text: str) -> None:
    (line,) = pasted(as_text(f"dataset.path=./{text}" if text[:1] == "~" else f"dataset.path={text}"))
    assert line.startswith("dataset.path=")
    assert value(line) == (f"./{text}" if text[:1] == "~" else text)
    # It is told on one line whose white space is squeezed, which must not change it.
    assert " ".join(as_text(f"a={text}").split()) == as_text(f"a={text}")


@pytest.mark.parametrize("text", [*CAPTIONS, *FILES])
def test_a_text_is_read_as_it_is_or_the_override_to_paste_is_told(text: str) -> None:
    line = f"dataset.source_prompt={text}"
    try:
        (override,) = read([line], loader())
    except InputError as error:
        told = str(error)
    else:
        if not override.is_sweep_override():
            return
        told = str(several(line))
    remedy = told.rpartition("as one text")[2].lstrip(": ") or told
    if told.rpartition("as a list of texts: ")[1]:
        return
    (line,) = pasted(remedy)
    assert value(line) == (str(Path(text).expanduser()) if text.startswith("~/") else text)


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("a=it's", "' (apostrophe)"),
        ("a=café", "é (latin small letter e with acute)"),
        ("a=x#y", "# (number sign)"),
        ("a=b=c", "= (equals sign)"),
        ("a=x (1)", "( (left parenthesis)"),
        ("a=~/x.mp4", "~ (tilde)"),
        ("a=x\ny", "a control character"),
        ("a='it's'", "' (apostrophe)"),
        ("a=a\u00a0b", "no-break space"),
    ],
)
def test_the_character_that_stops_it_is_named(line: str, culprit: str) -> None:
    with pytest.raises(InputError) as caught:
        read([line], loader())
    assert f"can't be read, as {culprit} needs quotes around the value; as one text: " in str(caught.value)


def test_a_home_folder_is_written_out() -> None:
    (line,) = shlex.split(as_text("dataset.path=~/a b.mp4"))
    assert value(line) == str(Path.home() / "a b.mp4")


def test_a_list_keeps_its_items_and_the_quotes_that_are_right() -> None:
    with pytest.raises(InputError) as caught:
        read(["""dataset.prompts=[it's a cat, "a dog, running", un café]"""], loader())
    (line,) = pasted(str(caught.value).rpartition("as a list of texts: ")[2])
    assert value(line) == ["it's a cat", "a dog, running", "un café"]


def test_a_file_alone_is_called_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my car.mp4").touch()
    with pytest.raises(InputError, match="a clip is given by dataset=clip 'dataset.path=\"my car.mp4\"'"):
        read(["my car.mp4"], loader())
