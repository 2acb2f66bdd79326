"""How well objects of samples follow the path of the source's object, by their own tracks instead of a tracker's.

    python scripts/compare_paths.py outputs/study_transformer

In the shapes world an object can be told from its ground by colour (`shapes_judge.find_object`). Of every sample of a
clip over which the camera stands still: the correlation of its object's path with that of the source's, both around
their means; 0 where a frame has no object, or nothing moves. One row per method, layout, strategy and noise; one
column per clip, the mean over prompts and seeds, and over all clips with a 95 % bootstrap.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from motion_inversion.data.video import read_exact
from shapes_judge import find_object

AXES = ("model", "layout", "strategy", "noise")
Path2d = Float[np.ndarray, "f 2"]


def follow(video: Path) -> Path2d:
    """The centres of a video's object, in half-widths; NaN where there is none."""
    return find_object(read_exact(video)).centres


def correlation(path: Path2d, reference: Path2d) -> float:
    """Of two paths, both coordinates together."""
    one, other = path - path.mean(axis=0), reference - reference.mean(axis=0)
    scale = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / scale) if np.isfinite(scale) and scale > 0 else 0.0


def collect(folder: Path) -> dict[tuple[str, ...], dict[str, list[float]]]:
    """Correlations by axes and clip."""
    found: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    references: dict[Path, Path2d] = {}
    for file in tqdm(sorted(folder.rglob("score.json")), "samples", ncols=100):
        score: dict[str, Any] = json.loads(file.read_text())
        if score["motion"] != "object" or score["method"] in ("source", "unrelated"):
            continue
        reference = (file.parent / score["reference"]).resolve()
        if reference not in references:
            references[reference] = follow(reference)
        path = follow((file.parent / score["video"]).resolve())
        key = (score["method"], *(score["axes"].get(axis, "–") for axis in AXES))
        found[key][score["clip"]].append(correlation(path, references[reference]))
    return found


def interval(means: list[float]) -> tuple[float, float, float]:
    """The mean over clips, and the 95 % interval of a bootstrap over them."""
    values = np.array(means)
    draws = values[np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))].mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def main() -> None:
    """Follows, correlates, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of an experiment's results")
    found = collect(parser.parse_args().folder)
    if not found:
        parser.error("there are no scored samples of clips with a moving object")
    clips = sorted({clip for rows in found.values() for clip in rows})
    print("\t".join(("method", *AXES, "all clips", *clips)))
    for key, rows in sorted(found.items()):
        means = {clip: float(np.mean(values)) for clip, values in rows.items()}
        middle, low, high = interval(list(means.values()))
        cells = [f"{means[clip]:.2f}" if clip in means else "–" for clip in clips]
        print("\t".join((*key, f"{middle:.2f} [{low:.2f}, {high:.2f}]", *cells)))


if __name__ == "__main__":
    main()
