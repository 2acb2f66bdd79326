"""What the command says to bad input: one line that names what was given, what is accepted and the cure."""

import logging
import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi

import motion_inversion.__main__ as command
from motion_inversion.backbone import hub
from motion_inversion.data.video import write_video
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.site import Site
from motion_inversion.storage.embedded import locate

EMBEDDED = Path(locate("embedded:shapes"))

Refused = Callable[..., str]


@pytest.fixture
def refused(
    small: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[Refused]:
    """(*words) → the single line of the error, once it is sure that nothing was left half-written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOTION_INVERSION_DEBUG", raising=False)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    before = set(tmp_path.iterdir())

    def refused(*words: str) -> str:
        kept = [line for line in small(*words) if not line.startswith("dataset.")]
        monkeypatch.setattr(sys, "argv", ["motion-inversion", *kept, "output=made", *words])
        try:
            code = command.main()
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        (line,) = [line for line in err.splitlines() if not re.search(r" (INFO|WARNING) motion_inversion\.", line)]
        assert (code, out) == (2, "")
        assert line.startswith("motion-inversion: error: ")
        assert set(tmp_path.iterdir()) - before <= {tmp_path / "made"}
        assert not [*tmp_path.glob("made/*/plan-*"), *tmp_path.glob("made/*/*/train/*")]
        assert [path for path in tmp_path.rglob("*.part") if path.is_file() or list(path.rglob("*.tmp"))] == []
        return line.removeprefix("motion-inversion: error: ")

    yield refused
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good video of six frames, and what is wrong with videos."""
    folder = tmp_path_factory.mktemp("videos")
    frames = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    for name, count in {"good": 6, "one": 1, "short": 3}.items():
        write_video(folder / f"{name}.mp4", frames[:count], fps=8.0)
    content = (folder / "good.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    (folder / "empty.mp4").write_bytes(b"")
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return folder


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("missing.mp4", "no such file or folder: {path}; give an mp4"),
        ("empty.mp4", "{path} is an empty file; give an mp4"),
        ("cut.mp4", "{path} is not a video, or is cut off; give an mp4"),
        ("sound.wav", "{path} has no pictures, only audio; give an mp4"),
        ("one.mp4", "{path} has 1 frame that can be decoded, but 4 frames"),
        ("short.mp4", "{path} has 3 frames that can be decoded, but 4 frames from start 0 at stride 1 need"),
    ],
)
def test_a_video_that_is_none_or_too_short(refused: Refused, videos: Path, name: str, fault: str) -> None:
    line = refused("dataset=clip", f"dataset.path={videos / name}")
    assert line.startswith(fault.format(path=videos / name))
    assert line.endswith("dataset.path=…")


LONG = " ".join(["disc"] * 40)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dataset.path=null"], "no video given; set dataset.path=my.mp4"),
        (["dataset.prompts=[]"], "clip good has no prompts; set dataset.prompts=["),
        (["dataset.prompts=['']"], "clip good has an empty prompt; give each words in dataset.prompts=["),
        (["dataset.prompts=[a,a]"], "clip good: prompts repeats 'a'; list each once in dataset.prompts=["),
        (["dataset.prompts=red"], "dataset.prompts='red' is not a Sequence[str]"),
        (["dataset.source_prompt="], "clip good has no source prompt; set dataset.source_prompt='"),
        (["dataset.motion=fast"], "dataset.motion='fast' is not a 'object' | 'camera' | 'hybrid'"),
        (["dataset.stride=0"], "stride is 0 but must be at least 1; set dataset.stride=1"),
        (["dataset.stride=2"], "{good} has 6 frames that can be decoded, but 4 frames from start 0 at"),
        ([f"dataset.prompts=['{LONG}']"], f"the prompt '{LONG[:60]}…' has "),
    ],
)
def test_what_is_said_of_a_clip(refused: Refused, videos: Path, words: list[str], message: str) -> None:
    good = videos / "good.mp4"
    assert refused("dataset=clip", f"dataset.path={good}", *words).startswith(message.format(good=good))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["method.loss.betta=1"], "method.loss.betta=1 names no key (did you mean 'method.loss.beta'?);"),
        (["trainer.max_step=3"], "trainer.max_step=3 names no key (did you mean 'trainer.max_steps'"),
        (["+trainer.max_step=3"], "trainer.max_step is not an argument of Trainer"),
        (["dataset.pth=x"], "dataset.pth=x names no key; accepted in dataset: only, seeds, shard, shards, clip"),
        (
            ["model=zeroscope", "model.parts.vae=x"],
            "model.parts.vae=x needs a +, as no file sets model.parts.vae yet: +model.parts.vae=x",
        ),
        (["model=shapes_image", "model.parts.unet=x"], "model.parts.unet=x names no key; accepted in model.parts: "),
        (["thread=1"], "thread=1 names no key (did you mean 'threads'?); accepted at the root: "),
        (["layout=al"], "layout=al names no file of conf/layout (did you mean 'all'?); accepted: all, deep"),
        (["method=none", "loss=vmc"], "method=none does not use loss=vmc; it uses: dataset, experiment,"),
        (["method=none", "trainer.max_steps=3"], "method=none does not use trainer.max_steps=3; it uses:"),
        (["-m", "loss=mse"], "unrecognized arguments: loss=mse; flags go before or after all overrides"),
        (
            ["method.loss._target_=os.system"],
            "method.loss._target_: os.system is of Python itself, which a configuration",
        ),
        (["trust=[os]", "method.loss._target_=os.system"], "trust=[os]: that is of Python itself, which"),
        (["method.loss._target_=torch.load"], "method.loss._target_: torch.load is of the package torch, whose code"),
        (["+hydra.callbacks.a._target_=os.system"], "hydra.callbacks.a._target_=os.system would run code of other"),
        (["--experimental-rerun=job"], "--experimental-rerun reads a pickle, which can run any program; repeat"),
        (["--shell-completion"], "--shell-completion needs install=bash, uninstall=bash or query=bash"),
        (["seed=range(0,1000000)", "-m"], "the sweep has more than 10000 jobs; sweep fewer values, or in several"),
        (
            ["hydra.run.dir=/dev/null/x"],
            "hydra.run.dir=/dev/null/x can't be made: Not a directory; set another, or drop it",
        ),
        (["hydra.run.dir="], "hydra.run.dir is empty; set a folder, as in hydra.run.dir=outputs/sweep, or drop it"),
        (["seed=0,1", "hydra.sweep.dir=", "-m"], "hydra.sweep.dir is empty; set a folder"),
        (["seed=0,1", "hydra.sweep.subdir=", "-m"], "hydra.sweep.subdir is empty: each job needs a folder of its own"),
        (
            ["seed=0,1", "hydra/launcher=basic,other", "-m"],
            "hydra/launcher=basic,other: what starts and keeps the jobs is the same for all; give one value",
        ),
        (["seed=0,1", "+hydra.launcher.nonsense=3", "-m"], "hydra.launcher.nonsense: it has no such setting; accepted"),
        (
            ["seed=0,1", "+hydra.sweeper.nonsense=3", "-m"],
            "hydra.sweeper.nonsense: it has no such setting; accepted: m",
        ),
        (["seed=0,1", "hydra.launcher=null", "-m"], "hydra.launcher=None is no launcher; accepted: basic"),
        (["seed=0,1", "hydra.sweeper=null", "-m"], "hydra.sweeper=None is no sweeper; accepted: basic"),
        (
            ["hydra/launcher=joblib"],
            "hydra/launcher=joblib is of a sweep, and this command runs one job by itself; add",
        ),
        (["+hydra.sweeper.n_trials=3"], "+hydra.sweeper.n_trials=3 is of a sweep, and this command runs one job"),
        (["--nonsense"], "unrecognized arguments: --nonsense; "),
        (["--cfg", "nonsense"], "argument --cfg/-c: invalid choice: 'nonsense' (choose from"),
    ],
)
def test_names_that_there_are_not(refused: Refused, words: list[str], message: str) -> None:
    assert refused(*words).startswith(message)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.width=65", "model.width=65: accepted are multiples of 8; set model.width=64"),
        ("model.width=32", "shapes clips are square, 32×64 was asked for: model.width=64"),
        ("model.frames=1", "model.frames=1: motion takes at least 2 frames; set model.frames=16"),
        ("model.dtype=float8", "model.dtype='float8' is not a 'float32' | 'float16' | 'bfloat16'"),
        ("model.height=80000", "model.height=80000 is not an int up to 8192"),
        ("model.device=meta", "model.device=meta is not there; accepted are auto, cpu"),
        ("model.device=gpu", "model.device=gpu is no device; accepted are auto, cpu"),
        ("output=", "output='' is not a Path"),
        ("model.frames=1000000", "model.frames=1000000 is not an int up to 1024"),
        ("model.device=cuda:99", "model.device=cuda:99 is not there; accepted are auto, cpu"),
        ("stages=[trane]", "stages=['trane']: accepted are prepare, train, generate, evaluate, report, each once; set"),
        ("stages=[]", "stages=[]: accepted are prepare, train"),
        ("batch=0", "batch=0: at least one clip at a time; set batch=1"),
        ("threads=-1", "threads=-1: accepted are 1 to "),
        ("threads=1000000", "threads=1000000: accepted are 1 to "),
        ("method.optimizer.lr=1e300", "method.optimizer.lr=1e+300 is not a float | Tensor that a tensor holds; set "),
        ("method.loss.beta=1e300", "method.loss.beta=1e+300 is not a float that a tensor holds; set "),
        ("+trainer.num_nodes=4", "trainer.num_nodes is not an argument of Trainer"),
        ("trainer.gradient_clip_val=nan", "trainer.gradient_clip_val=nan is not a finite float | null"),
        ("name=", "name is empty, but names the folder of the results; set name="),
        ("dataset.only=[pen]", "dataset.only: no clip 'pen'; accepted are odd_path, pan"),
        ("sampler.steps=0", "sampler.steps=0: at least one step is needed; set sampler.steps=50"),
        ("sampler.steps=1000", "sampler.steps=1000 does not fit into the model's 1000 noise levels:"),
        ("method.layout.blocks=[]", "method.layout.blocks is empty: accepted are selectors of blocks"),
        ("method.layout.blocks=[top]", "method.layout.blocks: 'top' selects no block; the model has down.0"),
        ("method.checkpoint_every=0", "method.checkpoint_every=0: at least 1 is needed; set"),
        ("method.preview_every=-1", "method.preview_every=-1: at least 0 is needed; set"),
        ("method.optimizer.lr=-1", "method.optimizer can't be made: Invalid learning rate: -1; as in"),
        ("trainer.max_steps=-1", "trainer.max_steps=-1: at least 1 is needed; set trainer.max_steps=1"),
        ("~trainer.max_steps", "trainer.max_steps is missing, Trainer ("),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0: at least 1 is needed"),
        ("trainer.precision=fp8", "trainer.precision='fp8' is not a '32-true' | '16-mixed'"),
        ("+trainer.gradient_clip_algorithm=big", "trainer.gradient_clip_algorithm='big' is not a 'norm'"),
        ("+trainer.max_time=soon", "the trainer refuses its settings:"),
        ("+trainer.max_epochs=3", "trainer.max_epochs is not an argument of Trainer"),
    ],
)
def test_values_that_are_not_accepted(refused: Refused, word: str, message: str) -> None:
    training = [] if "max_steps" not in word else ["trainer.fast_dev_run=false"]
    assert refused("dataset.only=[odd_path]", *training, word).startswith(message)


def embeddings(model: str, frames: int = 4, grid: tuple[int, int] = (8, 8)) -> MotionEmbeddings:
    """One block's, of the tiny model, unless another name, length or grid is given."""
    name = f"{model}.temp_attentions.0.transformer_blocks.0"
    site = Site(name, "down", 0, 16, grid, frames, ("attn1", "attn2"))
    return MotionEmbeddings.zeros([site], query_key=True, value=True)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (embeddings("down_blocks.7"), "model=<the one the embeddings were trained on>"),
        (embeddings("down_blocks.0", frames=6), "set model.frames to that of the training, or stretch them"),
        (embeddings("down_blocks.0", grid=(4, 8)), "set model.height and model.width to those of the training"),
    ],
)
def test_embeddings_of_another_model_length_or_size(
    refused: Refused, tmp_path_factory: pytest.TempPathFactory, given: MotionEmbeddings, remedy: str
) -> None:
    path = tmp_path_factory.mktemp("given") / "given.safetensors"
    given.save(path, {})
    line = refused("dataset.only=[odd_path]", f"method.embeddings={path}")
    assert line.startswith("the embeddings are for ")
    assert ", the model at this size has down.0@16 (8x8)" in line
    assert remedy in line
    assert not Path("made").exists(), "refused before the clip was encoded"


def test_embeddings_that_are_none(refused: Refused, videos: Path) -> None:
    given = [
        f"method.embeddings={videos / 'missing.safetensors'}",
        f"method.embeddings={videos / 'good.mp4'}",
    ]
    assert refused(given[0]) == f"{given[0]} is no file; drop it to learn embeddings"
    assert refused("dataset.only=[odd_path]", given[1]).endswith("give one that `train` wrote with method.embeddings=…")


def test_an_output_that_cannot_be_written(refused: Refused, videos: Path) -> None:
    # A file in the way: refused to everyone, unlike missing permissions, which don't stop root.
    line = refused(f"output={videos / 'good.mp4'}")
    assert (
        line == f"output={videos / 'good.mp4'} can't be a folder, as {videos / 'good.mp4'} is none; set output=outputs"
    )


def test_a_model_folder_that_is_missing_or_incomplete(
    refused: Refused, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("incomplete")
    start = f"model.path={folder} has no"
    assert refused("model.path=/nowhere").startswith("model.path=/nowhere is no folder; set model.path to a ")
    assert refused(f"model.path={folder}").startswith(f"{start} tokenizer/; accepted is a folder with")
    for each in {*tiny_model.iterdir()} - {tiny_model / "vae"}:
        (folder / each.name).symlink_to(each)
    assert refused(f"model.path={folder}").startswith(f"{start} vae/; accepted is a folder with")


def test_a_model_that_is_neither_here_nor_on_the_hub(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no way there")

    monkeypatch.setattr(hub, "is_offline_mode", lambda: False)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    line = refused("model.path=models/mine")
    assert line.startswith("model.path=models/mine is no folder here, and the hub has no such model to give (no way")
    assert "; give a local folder: model.path=/path/to/model, or set HF_HUB_OFFLINE=1" in line


@pytest.mark.skipif(not (EMBEDDED / "unet").is_dir(), reason=f"the embedded model is not in {EMBEDDED}")
def test_a_prompt_too_long_for_the_embedded_model(refused: Refused, videos: Path) -> None:
    long = " ".join(["red circle"] * 20)
    words = ["dataset=clip", f"dataset.path={videos / 'good.mp4'}", f"dataset.prompts=['{long}']"]
    line = refused("model=shapes", "model.path=embedded:shapes", *words)
    assert line.startswith(f"the prompt '{long[:60]}…' has ")
    assert "the text encoder of shapes takes 32: shorten it where it is set" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=1,1"], "seed=1,1 has 1 twice; list each value once"),
        (["seed=1,2", "seed=3,4"], "seed is given twice, and one of them is a sweep; give it once, as in seed=a,b"),
        (["seed=1,2", "seed=3"], "seed is given twice, and one of them is a sweep"),
        (["seed=range(5,1)"], "seed=range(5,1) stands for no value; list some, as in seed=a,b"),
        (["loss=glob(nothing*)"], "loss=glob(nothing*) stands for no value"),
        (["seed=range(0,1,0)"], "seed=range(0,1,0) can't be listed ("),
        (["seed=interval(0,1)"], "seed=interval(0,1) is to be searched in, not listed; list values, as in seed=a,b"),
    ],
)
def test_a_sweep_that_lists_nothing_or_the_same_twice(refused: Refused, words: list[str], message: str) -> None:
    assert refused(*words, "-m").startswith(message)


REFERENCES = "# @package _global_\n_a0: xxxx\n" + "".join(f"_a{k + 1}: ${{_a{k}}}${{_a{k}}}\n" for k in range(40))
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1", "{path} is no YAML of plain values (while parsing"),
        ("- 1", "{path} holds no mapping; give a file of keys and values, or drop what names it"),
        ("3", "{path} holds no mapping; give a file"),
        ("a: !!python/object/apply:os.system [ls]", "{path} is no YAML of plain values (could not determine"),
        (ALIASES, "{path} is no YAML of plain values (it is nested too deeply or holds too much"),
        (REFERENCES, "_a16 stands for more than 1,000,000 letters and values"),
        ("defaults: [theirs]", "config or a file that it lists is nested too deeply"),
        (None, "{path} is no regular file; give a file of keys and values, or drop what names it"),
    ],
)
def test_a_file_of_ones_own_that_is_no_configuration(
    refused: Refused, tmp_path_factory: pytest.TempPathFactory, content: str | None, message: str
) -> None:
    path = tmp_path_factory.mktemp("conf") / "loss/theirs.yaml"
    path.parent.mkdir()
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content)
    line = refused("loss=theirs", "--config-dir", str(path.parents[1]))
    assert line.startswith(message.format(path=path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ALIASES, "{path} is no YAML of plain values (it is nested too deeply or holds too much"),
        (None, "{path} is no regular file; give a file of keys and values"),
    ],
)
@pytest.mark.parametrize("named", ["by a flag", "by another file"])
def test_a_root_of_ones_own_that_is_no_configuration(
    refused: Refused, tmp_path_factory: pytest.TempPathFactory, content: str | None, message: str, named: str
) -> None:
    folder = tmp_path_factory.mktemp("conf")
    path = folder / "theirs.yaml"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content)
    (folder / "other.yaml").write_text("defaults: [theirs]\n")
    root = "theirs" if named == "by a flag" else "other"
    assert refused("--config-path", str(folder), "--config-name", root).startswith(message.format(path=path))


def test_a_file_of_somebody_elses_cannot_trust_itself(
    refused: Refused, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("conf")
    (folder / "loss").mkdir()
    (folder / "loss" / "theirs.yaml").write_text(
        "# @package _global_\ntrust: [packaging]\nmethod: {loss: {_target_: packaging.version.Version}}\n"
    )
    words = ["loss=theirs", "--config-dir", str(folder)]
    assert refused(*words).startswith("a file can't set trust=['packaging']; give it on the command line if you do")


def test_the_process_says_no_more_than_that(tmp_path: Path) -> None:
    source = Path(command.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "motion_inversion", "model.width=65"]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    line = "motion-inversion: error: model.width=65: accepted are multiples of 8; set model.width=64\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    assert list(tmp_path.iterdir()) == []
