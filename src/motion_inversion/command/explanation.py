"""What Hydra says of a configuration that it can't compose, as one line: what was given, and what is accepted."""

import re
from typing import Any

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from motion_inversion.command import override
from motion_inversion.command.economy import written
from motion_inversion.command.own_part import check_own_part
from motion_inversion.composition import arguments, paths, suggestion
from motion_inversion.error import InputError

UNCOMPOSED = (HydraException, OmegaConfBaseException, YAMLError, ValueError, OSError, RecursionError)
"""What Hydra raises where overrides and files give no configuration."""

_NOTHING = object()


def loader() -> ConfigLoader:
    """What finds the files of the folder that Hydra was started with."""
    return GlobalHydra.instance().config_loader()


def compose(name: str, overrides: list[str], with_hydra: bool = False) -> DictConfig:
    """The configuration of this root with these overrides; with Hydra's own settings if asked.

    Raises:
        InputError: if there is none, or one in which Hydra would build what is not Hydra's.
    """
    try:
        composed = hydra.compose(name, overrides, return_hydra_config=True)
    except InputError:  # of a file
        raise
    except RecursionError as error:
        raise InputError(f"{name} or a file that it lists is nested too deeply; a few levels are accepted") from error
    except UNCOMPOSED as error:
        raise _explained(error, name, overrides) from error
    check_own_part(composed, overrides)
    return composed if with_hydra else without_hydra(composed)


def without(name: str, overrides: list[str], key: str) -> str:
    """What to do about an override, as a remedy: what its key has where a command has these overrides alone."""
    try:
        usual = OmegaConf.select(compose(name, overrides, with_hydra=True), key, default=_NOTHING)
    except (InputError, OmegaConfBaseException):
        usual = _NOTHING
    if usual is _NOTHING or isinstance(usual, DictConfig):
        return "drop it"
    return f"drop it for {key}={written([*usual] if isinstance(usual, ListConfig) else usual)}"


def without_hydra(composed: DictConfig) -> DictConfig:
    """A configuration less Hydra's own settings."""
    with open_dict(composed):
        del composed["hydra"]
    return composed


def _explained(error: Exception, name: str, overrides: list[str]) -> InputError:
    """Hydra's complaint as a single line that names what was given, and what is accepted instead."""
    if isinstance(error, MissingConfigException):
        return _missing_option(str(error.missing_cfg_file))
    if "Config group override must be a string" in str(error):
        return _no_option(overrides)
    blamed = re.search(r"(?:In '(.+)/(.+)': )?Could not override '(.+?)'", str(error))
    group, option, key = blamed.groups() if blamed else (None, None, None)
    setter = f"{group}={option}" if group else ""
    if unmerged := next((line for line in overrides if f"override {line}\n" in f"{error}\n"), None):
        return _unmerged(unmerged, f"{error} {error.__cause__ or ''}", name, overrides)
    rest = [line for line in overrides if line != setter and _key(line) != key]
    if key is None or rest == overrides:
        return InputError(f"cannot compose {' '.join([name, *overrides])}: {error} {error.__cause__ or ''}")
    given = next((line for line in overrides if _key(line) == key), key)
    base = compose(name, rest, with_hydra=True)
    choices, group = base.hydra.runtime.choices, key.partition(".")[0]
    if group not in (*choices, "hydra") and loader().get_group_options(group):
        return _unused_axis(given, setter, choices)
    return _unknown_key(key, given, base)


def _no_option(overrides: list[str]) -> InputError:
    """A group that is given a value that can't be the name of an option."""
    given = override.read(overrides, loader())
    options = {each.key_or_group: loader().get_group_options(each.key_or_group) for each in given}
    found = next(each for each in given if options[each.key_or_group] and not isinstance(each.value(), str | list))
    group = found.key_or_group
    return InputError(
        f"{found.input_line}: {group} is one of its options; accepted: {', '.join(options[group])}; drop it"
    )


def _unmerged(given: str, told: str, name: str, overrides: list[str]) -> InputError:
    """A value of another kind than what it would replace."""
    reason = " ".join(told.partition(given)[2].partition("full_key")[0].split())
    others = [line for line in overrides if line != given]
    return InputError(f"{given} can't be put there ({reason}); {without(name, others, _key(given))}")


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _missing_option(missing: str) -> InputError:
    group, _, option = missing.rpartition("/")
    while group and not loader().get_group_options(group):  # the slash is of the option
        group, _, start = group.rpartition("/")
        option = f"{start}/{option}"
    group, option = group.rstrip("/"), f"{(len(group) - len(group.rstrip('/'))) * '/'}{option}"
    given = f"{group}={option}" if group else f"--config-name {option}"
    found = loader().get_group_options(group)
    options = [name for name in found if not name.startswith("_")]  # Hydra lists an empty file of its own
    return InputError(
        f"{given} names no file of conf/{group}{suggestion(option, options)}; accepted: {', '.join(options)}"
        "; all groups: motion-inversion --help"
    )


def _unused_axis(given: str, setter: str, choices: DictConfig) -> InputError:
    """A group that exists in conf/, but that no defaults list of the chosen method (or root) names."""
    used = [str(group) for group in choices if not str(group).startswith("hydra/") and group != "method"]
    chosen = f"method={choices.method}" if "method" in choices else "this configuration"
    culprit = f"{given}, which {setter} sets" if setter else given
    uses = ", ".join(sorted(used)) or "none of them"
    return InputError(f"{chosen} does not use {culprit}; it uses: {uses}; drop {setter or given}")


def _unknown_key(key: str, given: str, base: DictConfig) -> InputError:
    """A key that no YAML file sets: misspelt, shortened, or left to the default in the class's signature."""
    config: Any = OmegaConf.to_container(base, resolve=False)
    parent, node, parts = "", config, key.split(".")
    while isinstance(node, dict) and parts[0] in node and len(parts) > 1:
        node, parent = node[parts[0]], f"{parent}.{parts.pop(0)}".lstrip(".")
    names = [name for name in node if not str(name).startswith("_")] if isinstance(node, dict) else []
    names = [name for name in names if name != "hydra"]
    if isinstance(node, dict) and "_target_" in node and not parent.startswith("hydra"):
        names = list(dict.fromkeys([*names, *arguments(node["_target_"], base.get("trust") or ())]))
    if isinstance(node, str) and (options := loader().get_group_options(parent.rpartition(".")[2])):
        axis = parent.rpartition(".")[2]
        return InputError(
            f"{given} changes a part of {parent}, which is {node} as a whole; choose an option for it before: "
            f"{axis}=… {given}; accepted: {', '.join(option for option in options if option != node)}"
        )
    if parts[0] in names:
        return InputError(f"{given} needs a +, as no file sets {key} yet: +{given}")
    if parent:
        near = suggestion(parts[0], names, parent)
    else:
        names += [group for group in loader().list_groups("") if group not in (*names, "hydra")]
        near = suggestion(key, [*names, *paths(config)])
    accepted = f"accepted {f'in {parent}' if parent else 'at the root'}: {', '.join(names) or 'nothing'}"
    is_open = parent and isinstance(node, dict) and "_target_" not in node and len(parts) == 1
    return InputError(f"{given} names no key{near}; {accepted}{f'; to add one, +{given}' if is_open else ''}")
