"""Whether results can be sent to Weights & Biases, said before there are any."""

import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

from motion_inversion.error import InputError

_SERVER = "https://api.wandb.ai"


def require_login(offline: bool, remedy: str) -> None:
    """Looks for a key where runs are to be sent at once: in the environment, or where `wandb login` writes it.

    Raises:
        InputError: if there is none, ending with `remedy`.
    """
    if offline or os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun"):
        return
    given = any(os.environ.get(name) for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"))
    if not given and not _kept(urlsplit(os.environ.get("WANDB_BASE_URL") or _SERVER).hostname or ""):
        raise InputError(f"Weights & Biases has no key to log in with: wandb login, or WANDB_API_KEY=…, or {remedy}")


def _kept(host: str) -> bool:
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            if netrc.netrc(path).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
