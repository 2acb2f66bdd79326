"""Judges a trained shapes model on held-out prompts and seeds, from pixels: does it draw what it was asked?

    python scripts/evaluate_shapes.py model=shapes_dit --out shapes_dit.json

Three columns per question, all for the same prompts: clips that the model generates, real clips through its
autoencoder, and real clips, which say how far the judges themselves can be trusted. Brackets: Wilson's 95 %
interval.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from motion_inversion.core.seed import generator
from motion_inversion.data.shapes.random_scene import scenes_at_random
from motion_inversion.data.shapes.render import draw
from motion_inversion.data.shapes.world import COLOURS, DIRECTIONS, SHAPES, Scene, caption_of
from motion_inversion.metric.encoder import LoadedClip
from shapes_camera import find_camera
from shapes_judge import Video, find_object, ground_colour, heads, moves_as, never_jumps, persists, shape
from shapes_sampling import ShapesModel

FRAMES = 16
KINDS = ("object", "direction", "camera")
SOURCES = ("generated", "autoencoded", "rendered")
Z = 1.959964  # of a two-sided 95 % interval
Answers = dict[str, list[bool]]


@dataclass(frozen=True)
class Goal:
    """The share of right answers to reach in one of the columns; an aim is worth having, a must is needed."""

    share: float
    must: bool = True
    source: str = "generated"


GOALS = {
    "object persists without jumps": Goal(0.95),
    "object colour obeyed": Goal(0.95),
    "ground colour obeyed": Goal(0.90),
    "shape obeyed": Goal(0.80, must=False),
    "object's pace as asked": Goal(0.80, must=False),
    "direction obeyed": Goal(0.80, must=False),
    "camera clip moves as a whole": Goal(0.80, must=False),
    "camera move told apart": Goal(0.80, must=False),
    "CLIP ranks the right colour first": Goal(0.95, source="rendered"),
    "CLIP ranks the right shape first": Goal(0.85, source="rendered"),
}
PSNR_GOAL = 28.0  # dB


@dataclass(frozen=True)
class Case:
    """A held-out scene and the prompt that names all of it but the object's size."""

    kind: str
    index: int
    scene: Scene

    @property
    def prompt(self) -> str:
        """The scene's caption."""
        return caption_of(self.scene, (True, *(False,) * 5))


def draw_cases(count: int, seed: int) -> list[Case]:
    """`count` cases of each of KINDS; "direction" has straight motion alone, "object" any."""
    cases = []
    for number, kind in enumerate(KINDS):
        scenes = scenes_at_random(np.random.default_rng([seed, number]), 100 + 12 * count, FRAMES)
        fitting = [scene for scene in scenes if _fits(scene, kind)]
        cases += [Case(kind, index, scene) for index, scene in enumerate(fitting[:count])]
    return cases


def _fits(scene: Scene, kind: str) -> bool:
    if kind != "direction":
        return scene.kind == kind
    named = scene.thing is not None and scene.thing.motion.removeprefix("moving ") in DIRECTIONS
    return scene.kind == "object" and named


def judge(case: Case, video: Video, clip: LoadedClip) -> Answers:
    """The answers to every question that can be asked of a clip, by question."""
    scene, thing = case.scene, case.scene.thing
    answers: Answers = {"ground colour obeyed": [ground_colour(video) == scene.ground.colour]}
    if thing is None:
        camera = find_camera(video)
        answers["camera clip moves as a whole"] = [camera.whole]
        answers["camera move told apart"] = [camera.motion == scene.camera_motion]
        return answers
    track = find_object(video)
    steady = persists(track)
    answers["object persists without jumps"] = [steady and never_jumps(track)]
    answers["object's pace as asked"] = [steady and moves_as(track, thing.motion)]
    answers["object colour obeyed"] = [track.colour == thing.colour]
    answers["shape obeyed"] = [shape(track) == thing.shape]
    if case.kind == "direction":
        answers["direction obeyed"] = [heads(track, thing.motion.removeprefix("moving "))]
    return answers | _rank(case, video[FRAMES // 2, None], clip)


def _rank(case: Case, frame: Video, clip: LoadedClip) -> Answers:
    """Whether CLIP prefers the prompt to every prompt with another object colour, ground colour or shape."""
    scene, thing, ground = case.scene, case.scene.thing, case.scene.ground
    assert thing is not None
    repainted = [replace(scene, thing=replace(thing, colour=name)) for name in COLOURS if name != thing.colour]
    regrounded = [replace(scene, ground=replace(ground, colour=name)) for name in COLOURS if name != ground.colour]
    reshaped = [replace(scene, thing=replace(thing, shape=name)) for name in SHAPES if name != thing.shape]
    image = clip.embed_image(frame)[0]

    def first(scenes: list[Scene]) -> bool:
        texts = [case.prompt, *(Case(case.kind, 0, rival).prompt for rival in scenes)]
        return int((clip.embed_text(texts) @ image).argmax()) == 0

    return {
        "CLIP ranks the right colour first": [first(repainted), first(regrounded)],
        "CLIP ranks the right shape first": [first(reshaped)],
    }


def measure_psnr(model: ShapesModel, count: int, seed: int) -> float:
    """Peak signal-to-noise ratio in dB of four frames of each of `count` random scenes, peak 1."""
    scenes = scenes_at_random(np.random.default_rng([seed, len(KINDS)]), count, FRAMES)
    videos = [draw(scene)[:: FRAMES // 4] for scene in tqdm(scenes, "autoencoder", ncols=100)]
    errors = [np.mean((model.decode(model.encode(v)) / 255.0 - v / 255.0) ** 2) for v in videos]
    return 10 * math.log10(1 / float(np.mean(errors)))


def generate_all(model: ShapesModel, cases: list[Case], arguments: argparse.Namespace) -> Iterator[Video]:
    """One clip per case; its noise depends on the seed and the case alone."""
    shape = model.backbone.latent_shape[1:]
    for start in range(0, len(cases), arguments.batch):
        batch = cases[start : start + arguments.batch]
        draws = [generator(arguments.seed, "noise", case.kind, case.index) for case in batch]
        noise = torch.stack([torch.randn(shape, generator=each) for each in draws])
        yield from model.generate([case.prompt for case in batch], noise, arguments.steps, arguments.guidance)


def judge_all(model: ShapesModel, cases: list[Case], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One record per clip: what was asked, and the answers for each of SOURCES."""
    records = []
    progress = tqdm(zip(cases, generate_all(model, cases, arguments), strict=True), "clips", len(cases), ncols=100)
    for case, generated in progress:
        real = draw(case.scene)
        videos = (generated, model.decode(model.encode(real)), real)
        answers = {name: judge(case, video, model.clip) for name, video in zip(SOURCES, videos, strict=True)}
        records.append({"kind": case.kind, "index": case.index, "prompt": case.prompt, "answers": answers})
    return records


def share(answers: list[bool]) -> dict[str, float]:
    """Right answers, their number and share, and Wilson's 95 % interval of it."""
    count, right = len(answers), sum(answers)
    p, spread = right / count, Z**2 / count
    middle, half = p + spread / 2, Z * math.sqrt(p * (1 - p) / count + spread / (4 * count))
    low, high = max(0.0, middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return {"right": right, "count": count, "share": p, "low": low, "high": high}


def summarise(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per goal: its shares in every column, and whether the one that counts reaches it."""
    rows = []
    for name, goal in GOALS.items():
        asked = [record["answers"] for record in records if name in record["answers"][SOURCES[0]]]
        columns = {source: share([a for answers in asked for a in answers[source][name]]) for source in SOURCES}
        reached = columns[goal.source]["share"] >= goal.share
        rows.append({"question": name, "goal": asdict(goal), "reached": reached, **columns})
    return rows


def show(psnr: float, rows: list[dict[str, Any]]) -> None:
    """Prints the table."""
    print(f"{'':36}{'goal':>11}  {'':8}" + "".join(f"{source:>26}" for source in SOURCES))
    verdict = {True: "reached", False: "MISSED"}
    print(f"{'autoencoder PSNR':36}{'must 28 dB':>11}  {verdict[psnr >= PSNR_GOAL]:8}{'':26}{psnr:23.2f} dB")
    for row in rows:
        goal = row["goal"]
        wanted = f"{'must' if goal['must'] else 'aim'} {goal['share']:.0%}"
        cells = [row[source] for source in SOURCES]
        texts = [f"{c['right']}/{c['count']} {c['share']:.0%} [{c['low']:.0%}, {c['high']:.0%}]" for c in cells]
        print(f"{row['question']:36}{wanted:>11}  {verdict[row['reached']]:8}" + "".join(f"{t:>26}" for t in texts))
    print("What counts is the column of rendered clips for CLIP, of generated ones elsewhere.")


def main() -> None:
    """Generates, judges, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the configuration: model=shapes_dit model.path=/a/folder")
    parser.add_argument("--out", type=Path, help="JSON file for the table and every clip's answers")
    parser.add_argument("--clips", type=int, default=60, help="of each kind: objects, named directions, cameras")
    parser.add_argument("--steps", type=int, default=25, help="of sampling")
    parser.add_argument("--guidance", type=float, default=3.5)
    parser.add_argument("--seed", type=int, default=1000, help="of prompts and noise; training uses 1 to 4")
    parser.add_argument("--batch", type=int, default=4, help="clips sampled at a time")
    parser.add_argument("--scenes", type=int, default=256, help="held-out scenes for the autoencoder's PSNR")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    model = ShapesModel.load(arguments.overrides)
    psnr = measure_psnr(model, arguments.scenes, arguments.seed)
    records = judge_all(model, draw_cases(arguments.clips, arguments.seed), arguments)
    rows = summarise(records)
    show(psnr, rows)
    if arguments.out:
        options = {name: str(v) if isinstance(v, Path) else v for name, v in vars(arguments).items()}
        autoencoder = {"psnr": psnr, "goal": PSNR_GOAL, "reached": psnr >= PSNR_GOAL}
        report = {"options": options, "autoencoder": autoencoder, "questions": rows, "clips": records}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
