"""The index file of a model folder in the diffusers layout."""

import json
from pathlib import Path

from motion_inversion.backbone.part import IMAGE, VIDEO


def write_index(folder: Path, image: bool = False) -> None:
    """Writes `model_index.json`, which names the class that reads each part."""
    parts = {part: list(kind) for part, kind in sorted((IMAGE if image else VIDEO).items())}
    index = {"_class_name": "StableDiffusionPipeline" if image else "TextToVideoSDPipeline", **parts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
