"""How far the trackers can be trusted: motion fidelity by tracked points beside that by true ones.

    python scripts/compare_trackers.py --out outputs/trackers --clips my_clips

On the shapes sets the true tracks are known. Every pair of clips of a set is scored once by them and once by each
tracker; both should put the pairs in the same order. Beside that, each clip is scored against itself, against the
same motion in other colours and of another object, and against itself reversed in time. Real clips have no truth: of
those only the scores are shown. Writes trackers.md and trackers.png.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import torch
from torchmetrics.functional import spearman_corrcoef

from motion_inversion.core.trajectory import Bidirectional, Tracks
from motion_inversion.data.decode import frame_rate
from motion_inversion.data.shapes.clip import ShapesFootage
from motion_inversion.data.shapes.dataset import ShapesSet
from motion_inversion.data.shapes.world import COLOURS, SHAPES
from motion_inversion.data.video import Video, read_video
from motion_inversion.metric.tracker.cotracker import CoTracker
from motion_inversion.metric.tracker.dis import Dis
from motion_inversion.metric.tracker.lk import Lk
from motion_inversion.metric.tracker.tracker import Track
from motion_inversion.metric.tracker.truth import truth

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

KINDS = ("object", "camera", "hybrid")
FRAMES = 16
SIZE = 64  # of shapes clips
WIDTH, HEIGHT, FPS = 512, 320, 8  # of real clips, about
TRUTH = "truth"
COLOUR = {"dis": "#0072b2", "lk": "#d55e00"}  # of Okabe and Ito's palette, told apart by everyone
DIGITS = 4  # below that, scores are tied


@dataclass(frozen=True, eq=False)
class Followed:
    """A clip's tracks, those of the same motion in another look, and those of the clip reversed."""

    name: str
    itself: Tracks
    recoloured: Tracks
    reversed: Tracks


@dataclass(frozen=True, eq=False)
class Scores:
    """What one tracker gives the clips of one kind; `pairs` are of different clips of one set."""

    names: list[str]
    itself: list[float]
    recoloured: list[float]
    reversed: list[float]
    pairs: list[float]


def score(sets: Sequence[Sequence[Followed]], diagonal: float) -> Scores:
    """The scores of each clip and of each pair within a set, by the default fidelity."""

    def agreement(one: Tracks, other: Tracks) -> float:
        return round(Bidirectional()(one, other, diagonal), DIGITS)

    clips = [clip for members in sets for clip in members]
    return Scores(
        names=[clip.name for clip in clips],
        itself=[agreement(clip.itself, clip.itself) for clip in clips],
        recoloured=[agreement(clip.itself, clip.recoloured) for clip in clips],
        reversed=[agreement(clip.itself, clip.reversed) for clip in clips],
        pairs=[agreement(a.itself, b.itself) for members in sets for a, b in combinations(members, 2)],
    )


def straight(name: str) -> bool:
    """Whether reversing a shapes clip of this name turns every direction of the path, or of the ground, round."""
    return "panning" in name or ("_moving_" in name and "moving_around" not in name)


def recoloured(footage: ShapesFootage) -> ShapesFootage:
    """The same motion of another shape, all in other colours."""
    mover, ground = footage.mover, footage.ground
    free = [name for name in COLOURS if name != ground.colour and (mover is None or name != mover.colour)]
    if mover is not None:
        shape = SHAPES[(SHAPES.index(mover.shape) + 1) % len(SHAPES)]
        mover = replace(mover, shape=shape, colour=free[1])
    return replace(footage, ground=replace(ground, colour=free[0]), mover=mover)


def follow_shapes(kind: str, seed: int, track: Track | None) -> Iterator[Followed]:
    """The clips of a shapes set, followed by a tracker, or truly where there is none."""
    for clip in ShapesSet(kind, seeds=(0,), seed=seed).clips():  # pyright: ignore[reportArgumentType]
        footage = clip.footage
        assert isinstance(footage, ShapesFootage)
        other = recoloured(footage)
        if track is None:
            scene, mirror = footage.scene(FRAMES), other.scene(FRAMES)
            thing = scene.thing and replace(scene.thing, path=scene.thing.path[::-1].copy())
            back = replace(scene, camera=scene.camera[::-1].copy(), thing=thing)
            yield Followed(clip.name, *(truth(each, SIZE) for each in (scene, mirror, back)))
        else:
            video = footage.read(FRAMES, SIZE, SIZE)
            yield Followed(clip.name, *map(track, (video, other.read(FRAMES, SIZE, SIZE), video[::-1])))


def follow_real(folder: Path, track: Track) -> Iterator[Followed]:
    """The clips of a folder, cut to one size and about one frame rate; the other look is the negative, hues swapped."""
    for path in sorted(file for file in folder.iterdir() if file.is_file()):
        stride = max(1, round(frame_rate(path) / FPS))
        video: Video = read_video(path, FRAMES, WIDTH, HEIGHT, stride=stride, fit="crop")
        yield Followed(path.stem, *map(track, (video, 255 - video[..., [1, 2, 0]], video[::-1])))


def row(words: Sequence[str], scores: Scores, true: Scores | None = None) -> str:
    """A line of the table: ranks first where there is a truth."""
    ranks = "–"
    if true is not None:
        ranks = f"{float(spearman_corrcoef(torch.tensor(scores.pairs), torch.tensor(true.pairs))):.2f}"
    turned = list(zip(scores.names, scores.reversed, strict=True))
    reversals = [[value for name, value in turned if straight(name) is wanted] for wanted in (True, False)]
    cells = [_spread(part) for part in (scores.itself, scores.recoloured, scores.pairs, *reversals)]
    return "| " + " | ".join([*words, ranks, *cells]) + " |"


def _spread(values: Sequence[float]) -> str:
    """Mean, least and greatest."""
    if not values:
        return "–"
    return f"{np.mean(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def shapes_table(
    trackers: dict[str, Track | None], seeds: Sequence[int]
) -> tuple[list[str], dict[str, dict[str, Scores]]]:
    """The lines for the shapes sets, and the scores by kind and tracker."""
    found: dict[str, dict[str, Scores]] = {}
    lines = []
    for kind in KINDS:
        found[kind] = {}
        for name, track in trackers.items():
            sets = [list(follow_shapes(kind, seed, track)) for seed in seeds]
            found[kind][name] = score(sets, math.hypot(SIZE, SIZE))
            counts = f"{len(seeds)} × {len(sets[0])}, {len(found[kind][name].pairs)}"
            true = found[kind][TRUTH] if name != TRUTH else None
            lines.append(row([kind, counts, name], found[kind][name], true))
    return lines, found


def real_table(trackers: dict[str, Track | None], folder: Path) -> list[str]:
    """The lines for a folder of real clips, which trackers alone can follow."""
    lines, notes = [], []
    for name, track in trackers.items():
        if track is not None:
            clips = list(follow_real(folder, track))
            scores = score([clips], math.hypot(WIDTH, HEIGHT))
            lines.append(row(["real", f"{len(clips)}, {len(scores.pairs)}", name], scores))
            turned = zip(scores.names, scores.reversed, strict=True)
            notes.append(f"{name}, reversed: " + ", ".join(f"{clip} {value:.2f}" for clip, value in turned) + ".")
    return [*lines, "", "  \n".join(notes)]


def plot(found: dict[str, dict[str, Scores]], path: Path) -> None:
    """A panel per kind: each pair's score by a tracker over the true one."""
    figure, panels = pyplot.subplots(1, len(found), figsize=(3.6 * len(found), 3.9), sharey=True, layout="constrained")
    for panel, (kind, scores) in zip(panels, found.items(), strict=True):
        panel.axline((0, 0), slope=1, color="0.75", linewidth=1, zorder=0)
        for name, each in scores.items():
            if name != TRUTH:
                style = {"color": COLOUR.get(name), "marker": "o" if name == "dis" else "^"}
                panel.scatter(scores[TRUTH].pairs, each.pairs, s=18, alpha=0.6, linewidths=0, label=name, **style)
        panel.set(title=kind, xlabel="by true tracks", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("motion fidelity of a pair, by tracker")
    panels[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)


HEADER = [
    "| clips | number, pairs | tracker | rank correlation with truth | itself | other look | other clip "
    "| reversed, straight or pan | reversed, others |",
    "|---|---|---|---|---|---|---|---|---|",
]


def main() -> None:
    """Follows, scores and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/trackers"), help="folder")
    parser.add_argument("--clips", type=Path, help="a folder of real clips of 16 frames or more")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the shapes sets; 0 is the shipped")
    parser.add_argument("--cotracker", help="a folder with a copy of CoTracker's repository, to compare it as well")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    trackers: dict[str, Track | None] = {TRUTH: None, "dis": Dis(), "lk": Lk()}
    if arguments.cotracker:
        trackers["cotracker"] = CoTracker(repo=arguments.cotracker).load("cuda" if torch.cuda.is_available() else "cpu")
    lines, found = shapes_table(trackers, arguments.seeds)
    if arguments.clips:
        lines += real_table(trackers, arguments.clips)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "trackers.md").write_text("\n".join([*HEADER, *lines]) + "\n")
    plot(found, arguments.out / "trackers.png")
    print("\n".join([*HEADER, *lines]))


if __name__ == "__main__":
    main()
