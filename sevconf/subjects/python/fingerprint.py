"""Whether foreign code changed functions or classes of sevconf in its worker, by comparison with what was there before."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

_PACKAGE = "sevconf"


@dataclass(frozen=True, slots=True)
class _Mark:
    """A name in a module or class, what it stood for, and, of a function, its parts."""

    place: str
    names: Mapping[str, Any]
    name: str
    value: object
    functions: tuple[FunctionType, ...]
    parts: tuple[object, ...]


def _functions(value: object) -> tuple[FunctionType, ...]:
    if isinstance(value, property):
        inside: tuple[object, ...] = (value.fget, value.fset, value.fdel)
    else:
        inside = (value, getattr(value, "__func__", None), getattr(value, "__wrapped__", None))
    return tuple(function for function in inside if isinstance(function, FunctionType))


def _parts(functions: tuple[FunctionType, ...]) -> tuple[object, ...]:
    return tuple(part for f in functions for part in (f.__code__, f.__defaults__, f.__kwdefaults__))


def _mark(place: str, names: Mapping[str, Any], name: str) -> _Mark:
    functions = _functions(names[name])
    return _Mark(place, names, name, names[name], functions, _parts(functions))


def _ours(value: object) -> bool:
    return isinstance(value, type) and value.__module__.partition(".")[0] == _PACKAGE


def _modules() -> Iterator[ModuleType]:
    for name, module in tuple(sys.modules.items()):
        if name.partition(".")[0] == _PACKAGE and module is not None:
            yield module


class Fingerprint:
    """What sevconf is made of: taken once, before any foreign code, and compared as often as one likes."""

    def __init__(self) -> None:
        self._marks: list[_Mark] = []
        self._sizes: list[tuple[str, type, frozenset[str]]] = []
        seen: set[int] = set()
        for module in _modules():
            for name, value in tuple(vars(module).items()):
                if isinstance(value, FunctionType | type):
                    self._marks.append(_mark(module.__name__, vars(module), name))
                if isinstance(value, type) and _ours(value) and id(value) not in seen:
                    seen.add(id(value))
                    self._add(value)

    def _add(self, kind: type) -> None:
        place = f"{kind.__module__}.{kind.__qualname__}"
        self._sizes.append((place, kind, frozenset(vars(kind))))
        for name, value in tuple(vars(kind).items()):
            if not name.startswith("__") or _functions(value):
                self._marks.append(_mark(place, vars(kind), name))

    def changes(self) -> tuple[str, ...]:
        """Return the names of functions, methods and class attributes that are not what they were."""
        found = []
        for mark in self._marks:
            now = mark.names.get(mark.name)
            same = now is mark.value
            if same and mark.functions:
                same = all(a is b for a, b in zip(_parts(mark.functions), mark.parts, strict=True))
            if not same:
                found.append(f"{mark.place}.{mark.name}")
        for place, kind, names in self._sizes:
            if len(vars(kind)) != len(names):
                added = vars(kind).keys() - names
                found += [f"{place}.{name}" for name in sorted(added) if _functions(vars(kind)[name])]
        return tuple(dict.fromkeys(found))
