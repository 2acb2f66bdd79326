"""The index file of a model folder in the diffusers layout."""

import json
from pathlib import Path

CONFIGURATIONS = ("config.json", "scheduler_config.json", "tokenizer_config.json")


def write_index(folder: Path, pipeline: str) -> None:
    """Writes `model_index.json`, which names the class that reads each part, by what the parts' own files say."""
    parts = {part.name: _class(part) for part in sorted(folder.iterdir()) if part.is_dir()}
    index = {"_class_name": pipeline, **parts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def _class(part: Path) -> list[str]:
    """The library and the class that wrote a part."""
    [path] = [part / name for name in CONFIGURATIONS if (part / name).is_file()]
    configuration = json.loads(path.read_text())
    if name := configuration.get("_class_name"):
        return ["diffusers", name]
    return ["transformers", configuration.get("tokenizer_class") or configuration["architectures"][0]]
