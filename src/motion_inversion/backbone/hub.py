"""What is asked of a model hub: whether it has a model, and single small files."""

import functools
from pathlib import Path

from huggingface_hub.constants import is_offline_mode

from motion_inversion.error import InputError


@functools.cache
def hub_file(model: str, name: str) -> Path | None:
    """A file of a model on the hub, downloaded or found among earlier downloads; None if it can't be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(model, name))
    except (EntryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        return None


@functools.cache
def require_reachable(option: str, path: str) -> None:
    """Asks the hub for a model, once: loading would ask again and again for minutes before it gives up.

    Raises:
        InputError: if it gives none, naming the option that says which; nothing is asked in offline mode.
    """
    if is_offline_mode():
        return
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(path, timeout=10)
    except Exception as error:  # that of an HTTP library, which depends on the hub client's version
        raise InputError(
            f"{option} is no folder here, and the hub has no such model to give ({error}); give a local folder: "
            f"{option.partition('=')[0]}=/path/to/model, or set HF_HUB_OFFLINE=1 to use what was downloaded earlier"
        ) from error
