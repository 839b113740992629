"""Whether foreign code changed functions or classes of sevconf in its worker, by comparison with what was there."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

_PACKAGE = "sevconf"


@dataclass(frozen=True, slots=True)
class _Named:
    """A name in a module or class, and what it stood for."""

    names: Mapping[str, Any]
    name: str
    value: object
    place: str


@dataclass(frozen=True, slots=True)
class _Inside:
    """A function, and what it was made of."""

    function: FunctionType
    code: object
    defaults: object
    keywords: object
    place: str


def _functions(value: object) -> tuple[FunctionType, ...]:
    if isinstance(value, property):
        inside: tuple[object, ...] = (value.fget, value.fset, value.fdel)
    else:
        inside = (value, *(getattr(value, name, None) for name in ("__func__", "__wrapped__", "func")))
    return tuple(function for function in inside if isinstance(function, FunctionType))


def _ours(value: object) -> bool:
    return isinstance(value, type) and value.__module__.partition(".")[0] == _PACKAGE


def _modules() -> Iterator[ModuleType]:
    for name, module in tuple(sys.modules.items()):
        if name.partition(".")[0] == _PACKAGE and module is not None:
            yield module


class Fingerprint:
    """What sevconf is made of: taken once, before any foreign code, and compared as often as one likes."""

    def __init__(self) -> None:
        self._names: list[_Named] = []
        self._functions: dict[int, _Inside] = {}
        self._classes: dict[int, tuple[type, frozenset[str]]] = {}
        for module in _modules():
            for name, value in tuple(vars(module).items()):
                if isinstance(value, FunctionType | type):
                    self._add(module.__name__, vars(module), name)
                if isinstance(value, type) and _ours(value) and id(value) not in self._classes:
                    self._add_class(value)

    def _add_class(self, kind: type) -> None:
        self._classes[id(kind)] = kind, frozenset(vars(kind))
        for name, value in tuple(vars(kind).items()):
            if not name.startswith("__") or _functions(value):
                self._add(_place(kind), vars(kind), name)

    def _add(self, place: str, names: Mapping[str, Any], name: str) -> None:
        place = f"{place}.{name}"
        self._names.append(_Named(names, name, names[name], place))
        for function in _functions(names[name]):
            made_of = (function.__code__, function.__defaults__, function.__kwdefaults__)
            self._functions.setdefault(id(function), _Inside(function, *made_of, place))

    def changes(self) -> tuple[str, ...]:
        """Return the names of functions, methods and class attributes that are not what they were."""
        found = [named.place for named in self._names if named.names.get(named.name) is not named.value]
        for inside in self._functions.values():
            function = inside.function
            if (
                function.__code__ is not inside.code
                or function.__defaults__ is not inside.defaults
                or function.__kwdefaults__ is not inside.keywords
            ):
                found.append(inside.place)
        for kind, names in self._classes.values():
            if len(vars(kind)) != len(names):
                added = sorted(vars(kind).keys() - names)
                found += [f"{_place(kind)}.{name}" for name in added if _functions(vars(kind)[name])]
        return tuple(dict.fromkeys(found))


def _place(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
