"""
The contract, held at run time: what foreign code passes to a service, and what it returns, is what the Protocols say.

Both layers are made from the Protocols' annotations. They are for foreign code only: the reference driver runs without.
"""

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NewType, TypeAlias, cast, get_args, get_origin, get_type_hints

from sevconf.subjects.python import words
from sevconf.subjects.python.border import Border

#: Returns a value as a plain one of the kind that is wanted, or raises `MisfitError`.
Taker: TypeAlias = Callable[[Any], Any]

#: UEFI's integers have at most 64 bits, and none of the contract's is signed.
_TOP = 1 << 64


class MisfitError(Exception):
    """A value is not of the kind that is wanted."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value, in words, and what takes one."""

    what: str
    take: Taker


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a Protocol: its parameters without `self`, the kind of each, and the kind of what it returns."""

    name: str
    signature: inspect.Signature
    parameters: dict[str, Kind]
    returns: Kind


def _take_int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _TOP:
        raise MisfitError
    return int(value)


def _take_callable(value: Any) -> Any:
    if not callable(value):
        raise MisfitError
    return value


def _take_none(value: Any) -> None:
    if value is not None:
        raise MisfitError


def _member(kind: type) -> Taker:
    def take(value: Any) -> Any:
        if not isinstance(value, kind):
            raise MisfitError
        return value

    return take


def _plain(kind: Callable[[Any], Any], base: type) -> Taker:
    def take(value: Any) -> Any:
        if not isinstance(value, base):
            raise MisfitError
        return kind(value)

    return take


def _either(kinds: list[Kind]) -> Taker:
    def take(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.take(value)
            except MisfitError:
                continue
        raise MisfitError

    return take


def _each(kind: Kind) -> Taker:
    def take(value: Any) -> Any:
        if not isinstance(value, tuple):
            raise MisfitError
        return tuple(kind.take(item) for item in value)

    return take


def _together(kinds: list[Kind]) -> Taker:
    def take(value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(kinds):
            raise MisfitError
        return tuple(kind.take(item) for kind, item in zip(kinds, value, strict=True))

    return take


def _record(record: type) -> Kind:
    hints = get_type_hints(record)
    kinds = {field.name: kind_of(hints[field.name]) for field in fields(cast("Any", record))}

    def take(value: Any) -> Any:
        if not isinstance(value, record):
            raise MisfitError
        return record(**{name: kind.take(getattr(value, name, None)) for name, kind in kinds.items()})

    return Kind(f"a {record.__name__} of {', '.join(f'{name}: {kind.what}' for name, kind in kinds.items())}", take)


def kind_of(hint: Any) -> Kind:
    """
    Return the kind that an annotation of the contract asks for.

    Raises:
        TypeError: no annotation of the contract looked like this so far.

    """
    arguments = get_args(hint)
    if isinstance(hint, NewType):
        inner = kind_of(hint.__supertype__)
        return Kind(f"{inner.what} ({hint.__name__})", inner.take)
    if hint is type(None):
        return Kind("None", _take_none)
    if hint is int:
        return Kind("an int from 0 to 2^64-1", _take_int)
    if hint in {bytes, str}:
        return Kind(hint.__name__, _plain(hint, hint))
    if isinstance(hint, type) and is_dataclass(hint):
        return _record(hint)
    if isinstance(hint, type) and not arguments:
        member = "a member of" if issubclass(hint, Enum) else "a"
        return Kind(f"{member} {hint.__name__}", _member(hint))
    if isinstance(hint, types.UnionType) or (get_origin(hint) is not None and type(None) in arguments):
        kinds = [kind_of(option) for option in arguments]
        return Kind(" or ".join(kind.what for kind in kinds), _either(kinds))
    if get_origin(hint) is tuple and arguments[-1] is Ellipsis:
        kind = kind_of(arguments[0])
        return Kind(f"a tuple, each {kind.what}", _each(kind))
    if get_origin(hint) is tuple:
        kinds = [kind_of(item) for item in arguments]
        return Kind(f"a tuple of {' and '.join(kind.what for kind in kinds)}", _together(kinds))
    if hint is Callable or (get_origin(hint) is not None and arguments[0] == []):
        return Kind("a function without arguments", _take_callable)
    raise TypeError(f"no kind of value is known for {hint!r}")


@cache
def methods(protocol: type) -> tuple[Method, ...]:
    """Return the public methods of a Protocol, in the order in which it has them."""
    names = [name for base in reversed(protocol.__mro__) for name in vars(base) if not name.startswith("_")]
    found = []
    for name in dict.fromkeys(names):
        function = getattr(protocol, name, None)
        if not inspect.isfunction(function):
            continue
        hints = get_type_hints(function)
        returns = kind_of(hints.pop("return"))
        signature = inspect.signature(function)
        signature = signature.replace(parameters=tuple(signature.parameters.values())[1:])
        found.append(Method(name, signature, {key: kind_of(hint) for key, hint in hints.items()}, returns))
    return tuple(found)


def _service(method: Method, where: str, serve: Callable[..., Any], border: Border) -> Callable[..., Any]:
    label = f"{where}.{method.name}"

    def crossing(function: Callable[[], None]) -> Callable[[], None]:
        def notify() -> None:
            border.out(function)

        return notify

    def call(_: object, *given: Any, **named: Any) -> Any:
        try:
            bound = method.signature.bind(*given, **named)
        except TypeError as error:
            border.broken(f"calls {label}{method.signature} wrongly: {error}")
        bound.apply_defaults()
        arguments = []
        for name, value in bound.arguments.items():
            kind = method.parameters[name]
            try:
                taken = kind.take(value)
            except MisfitError:
                border.broken(f"passes {words.value(value)} to {label} as `{name}`, which must be {kind.what}")
            arguments.append(crossing(taken) if callable(taken) else taken)
        return border.back(label, serve, *arguments)

    return call


def offered(protocol: type, where: str, services: object, border: Border) -> Any:
    """Return an object of that Protocol that hands checked calls on to `services`; `where` is its name in messages."""
    calls = {m.name: _service(m, where, getattr(services, m.name), border) for m in methods(protocol)}
    return type(protocol.__name__, (), {"__slots__": (), **calls})()


def _work(method: Method, function: Callable[..., Any], border: Border) -> Callable[..., Any]:
    def call(_: object, *given: Any) -> Any:
        got = border.out(function, *given)
        try:
            return method.returns.take(got)
        except MisfitError:
            border.broken(f"returns {words.value(got)} from {method.name}, which must be {method.returns.what}")

    return call


def judged(protocol: type, driver: object, border: Border) -> Any:
    """Return an object of that Protocol that asks a foreign object to act, and checks what it returns."""
    calls = {m.name: _work(m, getattr(driver, m.name), border) for m in methods(protocol)}
    constants = {name: getattr(driver, name) for name in ("role", "kind") if hasattr(driver, name)}
    return type(type(driver).__name__, (), {"__slots__": (), **calls, **constants})()
