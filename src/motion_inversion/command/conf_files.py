"""The YAML files of a folder of somebody's own, which Hydra reads: looked at first, whoever names them."""

import functools
import os
from pathlib import Path

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from yaml import YAMLError

from motion_inversion.error import InputError
from motion_inversion.storage.document import parse_yaml, read_text

_REMEDY = "give a file of keys and values, or drop what names it"


class FileConfigSource(file_config_source.FileConfigSource):
    """A folder of YAML files, each of which is to be of plain values, and not too many of them.

    Hydra makes one of each folder that it searches: this package's own, and those of `--config-dir`, `--config-path`
    and `hydra.searchpath`. The name is that of Hydra's own: a launcher's processes are given this one, register
    Hydra's again, and keep what they have by its name.
    """

    def is_config(self, config_path: str) -> bool:
        """Whether there is anything of this name but a folder: what is no regular file is refused once it is loaded."""
        path = self._place(config_path)
        return os.path.lexists(path) and not path.is_dir()

    def load_config(self, config_path: str) -> ConfigResult:
        """Reads a file.

        Raises:
            InputError: for what is no regular file, such as a pipe, is no YAML of plain values, or is far too much of
                it.
        """
        _check(self._place(config_path))
        return super().load_config(config_path)

    def _place(self, config_path: str) -> Path:
        return Path(self.path, self._normalize_file_name(config_path))


def check_files() -> None:
    """Has Hydra read files by `FileConfigSource` from now on."""
    Plugins.instance()  # notes Hydra's own
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource


@functools.cache  # jobs of a sweep have files in common
def _check(path: Path) -> None:
    text = read_text(path, _REMEDY)
    try:
        content = parse_yaml(text)
    except (YAMLError, ValueError) as error:
        raise InputError(f"{path} is no YAML of plain values ({' '.join(str(error).split())}); {_REMEDY}") from error
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping; {_REMEDY}")
