"""From a resolved configuration to the object that it describes: every node is checked first, then built.

Hydra's `instantiate` would build, but it can't check ahead: it meets a misspelt key only when it reaches the
node, lets the `_partial_` ones pass, and leaves a list where a tuple is asked for. Checking takes the same
walk as building, so both are here.
"""

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from motion_inversion.error import InputError
from motion_inversion.reflection.annotation import conform, fits, misfit
from motion_inversion.reflection.protocol import shortfall
from motion_inversion.reflection.reference import check_references
from motion_inversion.reflection.trust import check_module, check_target, check_trusted


class CompositionError(InputError):
    """All faults of one configuration, each a line of its own."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.args = faults  # so that the exception survives pickling, as launchers require

    def __str__(self) -> str:
        return "\n".join(self.args)


@dataclass(frozen=True, repr=False)
class _Node:
    """A mapping with a `_target_`: the class it names and the constructor arguments it gives."""

    target: str
    partial: bool
    arguments: dict[str, Any]
    trusted: tuple[str, ...]

    def __repr__(self) -> str:
        return self.target


def check(config: Mapping[str, Any]) -> None:
    """Bind every node of a whole configuration to its target's signature; build nothing.

    Raises CompositionError with one line per fault: an unknown or missing argument, a value of another type,
    a `_target_` that can't be imported, or may not be (see `reflection.trust`; the root's `trust` lists the packages
    that may be besides, and is no argument). `_partial_` nodes may leave required arguments out. An argument that
    only the target's `**kwargs` would take counts as unknown: a misspelt one would pass in the same way.
    """
    _checked(config)


def build(config: Mapping[str, Any]) -> Any:
    """The object that `config` describes, after `check`.

    `_partial_` nodes become `functools.partial`; containers become plain lists and dicts, or the tuple, set,
    path or float that the constructor's annotation asks for. Raises what `check` and the constructors raise.
    """
    return _built(_checked(config), "")


def arguments(target: str, trusted: Iterable[str] = ()) -> list[str]:
    """The names that a node with this `_target_` accepts. Raises InputError if it can't or may not be imported."""
    return list(_named_parameters(_import(target, tuple(trusted))))


def suggestion(name: str, accepted: Iterable[str], path: str = "") -> str:
    """` (did you mean 'beta'?)` for the accepted names that `name` resembles or ends, or nothing.

    `path` is where the names are, and is put before those suggested.
    """
    known = list(dict.fromkeys(accepted))
    near = [word for word in known if word.endswith(f".{name}")] or difflib.get_close_matches(name, known)
    return f" (did you mean {' or '.join(repr(_join(path, word)) for word in near)}?)" if near else ""


def paths(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted path of every value in a configuration, Hydra's own left out."""
    for name, value in node.items():
        if name != "hydra" and name[0] != "_":
            yield prefix + name
            if isinstance(value, dict):
                yield from paths(value, f"{prefix}{name}.")


def _checked(config: Mapping[str, Any]) -> Any:
    try:
        composed = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
        raw: Any = OmegaConf.to_container(composed, resolve=False)
        check_references(raw)
        plain: Any = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(f"the configuration cannot be resolved: {error}") from error
    plain = _without_private(plain)
    tree = _read(plain, _trusted(plain.pop("trust", None) or []))
    if not isinstance(tree, _Node):
        raise CompositionError("the configuration has no _target_ at its root; choose one with --config-name")
    if faults := list(_faults(tree, "")):
        raise CompositionError(*faults)
    return tree


def _trusted(packages: Any) -> tuple[str, ...]:
    if not fits(packages, list[str]):
        raise CompositionError(f"trust={misfit(packages, list[str])}; give the names of packages: trust=[mypackage]")
    try:
        check_trusted(packages)
    except InputError as error:
        raise CompositionError(str(error)) from error
    return tuple(packages)


def _without_private(plain: Any) -> Any:
    """A configuration less what is at its root under names like `_judge`, for other values to be interpolated from.

    Names like `_target_` are Hydra's own, and stay.
    """
    if not isinstance(plain, dict):
        return {}
    return {key: value for key, value in plain.items() if not str(key).startswith("_") or str(key).endswith("_")}


def _read(value: Any, trusted: tuple[str, ...]) -> Any:
    match value:
        case {"_target_": target, **rest}:
            partial = rest.pop("_partial_", False)
            arguments = {name: _read(item, trusted) for name, item in rest.items()}
            return _Node(str(target), bool(partial), arguments, trusted)
        case dict():
            return {key: _read(item, trusted) for key, item in value.items()}
        case list():
            return [_read(item, trusted) for item in value]
        case _:
            return value


def _faults(value: Any, path: str) -> Iterator[str]:
    match value:
        case _Node():
            yield from _node_faults(value, path)
            children = value.arguments.items()
        case dict():
            children = value.items()
        case list():
            children = enumerate(value)
        case "???":
            yield f"{path} has no value: give {path}=…"
            return
        case _:
            return
    for key, child in children:
        yield from _faults(child, _join(path, key))


def _node_faults(node: _Node, path: str) -> Iterator[str]:
    try:
        target = _import(node.target, node.trusted)
        parameters = _named_parameters(target)
    except InputError as error:
        yield f"{_join(path, '_target_')}: {error}"
        return
    title, accepted = f"{target.__name__} ({node.target})", f"accepted: {', '.join(parameters) or 'nothing'}"
    for name, value in node.arguments.items():
        where = _join(path, name)
        if name not in parameters:
            near = suggestion(str(name), parameters, path)
            yield f"{where} is not an argument of {title}{_open_ended(target)}{near}; {accepted}"
        elif value != "???" and not fits(value, parameters[name].annotation):
            yield f"{where}={misfit(value, parameters[name].annotation)}{_usual(where, parameters[name])}"
    for name, parameter in parameters.items():
        required = parameter.default is parameter.empty and not node.partial
        if required and name not in node.arguments:
            yield f"{_join(path, name)} is missing, {title} requires it; {accepted}"


def _built(value: Any, path: str) -> Any:
    match value:
        case _Node():
            target = _import(value.target, value.trusted)
            parameters = _named_parameters(target)
            given: dict[str, Any] = {}
            for name, item in value.arguments.items():
                annotation = parameters[name].annotation
                given[name] = conform(_built(item, _join(path, name)), annotation)
                if fault := shortfall(given[name], annotation):
                    raise InputError(f"{_join(path, name)}: {fault}")
            return functools.partial(target, **given) if value.partial else target(**given)
        case dict():
            return {key: _built(item, _join(path, key)) for key, item in value.items()}
        case list():
            return [_built(item, _join(path, k)) for k, item in enumerate(value)]
        case _:
            return value


@functools.cache
def _import(target: str, trusted: tuple[str, ...]) -> Callable[..., Any]:
    module_name, _, name = target.rpartition(".")
    if not module_name:
        raise InputError(f"{target} is not of the form module.Class")
    check_module(target, trusted)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # of a module of the user's own, any
        told = f"{type(error).__name__}: {error}{_where_from(module_name, error)}"
        raise InputError(f"{target} cannot be imported: {told}") from error
    if not hasattr(module, name):
        raise InputError(f"{module_name} has no class {name}{suggestion(name, dir(module))}")
    found = getattr(module, name)
    check_target(found, target, trusted)
    return found


def _where_from(module_name: str, error: Exception) -> str:
    """How to have a package of one's own found, if that is what is missing."""
    package = module_name.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or error.name != package:
        return ""
    return f"; if it is yours, set PYTHONPATH=<folder of {package}>, or pip install -e <its project>"


@functools.cache
def _named_parameters(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(target, eval_str=True)
    except NameError:  # the annotations name what only a type checker imports: go without their types
        signature = inspect.signature(target)
    except (TypeError, ValueError) as error:
        raise InputError(f"{target} has no signature to check against; wrap it in a class") from error
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: parameter for name, parameter in signature.parameters.items() if parameter.kind in named}


def _open_ended(target: Callable[..., Any]) -> str:
    kinds = {parameter.kind for parameter in inspect.signature(target).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        return ""
    return ", whose **kwargs would hide a misspelling (wrap it in a class that names the argument)"


def _usual(where: str, parameter: inspect.Parameter) -> str:
    """What to set, where the class itself has a value that can be written."""
    default = parameter.default
    is_written = isinstance(default, bool | int | float) or (isinstance(default, str) and default)
    return f"; set {where}={default}" if is_written else ""


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
