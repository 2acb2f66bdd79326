"""The index file of a model folder in the diffusers layout."""

import json
from pathlib import Path

from motion_inversion.backbone.component import CLASSES


def write_index(folder: Path) -> None:
    """Writes `model_index.json`, which names the class that reads each part."""
    parts = {part: list(kind) for part, kind in sorted(CLASSES.items())}
    index = {"_class_name": "TextToVideoSDPipeline", **parts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
