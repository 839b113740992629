"""
Finding a vendor's class, by `path.py:Class` or `module:Class`.

What can be said without running foreign code is said in the suite's process (`origin_of`). The rest happens in a
worker. Before the run, whatever goes wrong there is wrong use: a class that is not there or doesn't fit, an import that
raises, and just so one that hangs, exits or dies. A file's own folder is on sys.path, as if Python ran it; the current
folder is on it for modules.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pkgutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_args

from sevconf.contract import DeviceModel, Driver, IommuDriver, OsLoader, QueueingBlockDriver
from sevconf.contract.driver import DeviceKind, Role
from sevconf.errors import UsageError
from sevconf.subjects.near import near
from sevconf.subjects.python import words
from sevconf.subjects.python.guarded import methods
from sevconf.subjects.python.roles import KINDS
from sevconf.subjects.qemu.models import is_qemu


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where a class is: in a file (its absolute path) or in a module, one of which is empty; `name` is for reports.

    `role` is what it plays, as far as that is known.
    """

    name: str
    file: str
    module: str
    class_name: str
    role: Role = "driver"

    @property
    def culprit(self) -> str:
        """Who acts when the class acts."""
        return f"{self.role}:{self.class_name}"


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a class that fits: file, role, kind, `submit_write` or not, package and version if any."""

    file: str
    kind: DeviceKind | None
    queueing: bool
    package: str = ""
    version: str = ""
    role: Role = "driver"


#: What a class of each role offers, and by which names it is built.
ROLES: dict[Role, tuple[type, tuple[str, ...]]] = {
    "driver": (Driver, ("boot_services", "pci_io", "memory")),
    "iommu-driver": (IommuDriver, ("boot_services", "memory", "mem_encrypt")),
    "os-loader": (OsLoader, ("boot_services",)),
}


def origin_of(name: str) -> Origin:
    """
    Read the name of a class.

    Raises:
        UsageError: it is no such name, or there is no such file.

    """
    where, _, class_name = name.rpartition(":")
    if not where or not class_name.isidentifier():
        raise UsageError(f"expected FILE.py:CLASS or MODULE:CLASS, not {name!r}")
    if not where.endswith(".py"):
        if not all(part.isidentifier() for part in where.split(".")):
            raise UsageError(f"expected FILE.py:CLASS or MODULE:CLASS, not {name!r}")
        return Origin(name, "", where, class_name)
    path = Path(where)
    if not path.is_file():
        others = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UsageError(f"there is no file {where}", hint=near(path.name, others))
    return Origin(f"{path.name}:{class_name}", str(path.resolve()), "", class_name)


# In the worker


def class_of(origin: Origin) -> type:
    """
    Import the class; whatever its module raises passes through.

    Raises:
        UsageError: there is no such module, or no such class in it.

    """
    module = _from_file(Path(origin.file)) if origin.file else _from_name(origin.module)
    found = getattr(module, origin.class_name, None)
    if isinstance(found, type):
        return found
    if found is not None:
        raise UsageError(f"expected {origin.name} to be a class, not {words.value(found)}")
    classes = [name for name, value in vars(module).items() if isinstance(value, type)]
    own = [name for name in classes if vars(module)[name].__module__ == module.__name__]
    known = f"it has {', '.join(own)}" if own else "it has no class of its own"
    raise UsageError(
        f"there is no class {origin.class_name} in {origin.name.rpartition(':')[0]}",
        hint=near(origin.class_name, classes, known),
    )


def _from_file(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))
    # Under its own name, so that a sibling that imports it gets the same module; unless that is somebody else's name.
    name = path.stem if path.stem not in sys.modules else f"vendor_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _from_name(name: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 -- sys.path takes texts
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        top = {module.name for module in pkgutil.iter_modules()}
        hint = near(name, top, "install it, or give the path of its file") if "." not in name else ""
        raise UsageError(f"there is no module {error.name}", hint=hint) from error


def describe(origin: Origin, device: str = "") -> Description:
    """
    Import the class and look whether it fits the contract; so must the class of its device, unless QEMU has it.

    Raises:
        UsageError: it does not, or its import raises.

    """
    try:
        found = class_of(origin)
    except UsageError:
        raise
    except BaseException as error:
        raise UsageError(f"{origin.name} cannot be imported: it raises {words.exception(error)}") from error
    _check_constant(found, "role", get_args(Role))
    role: Role = cast("Any", found).role
    protocol, given = ROLES[role]
    kind: DeviceKind | None = None
    if role == "driver":
        _check_constant(found, "kind", get_args(DeviceKind))
        kind = cast("Any", found).kind
        protocol = KINDS[cast("DeviceKind", kind)].protocol
    if device and kind != "device":
        what = f"a driver of kind {kind!r}" if kind else f"of role {role!r}"
        raise UsageError(f"expected a driver of kind 'device' with --device, and {found.__name__} is {what}")
    if kind == "device" and not is_qemu(device):
        _check_device(found, class_of(origin_of(device)) if device else getattr(found, "device", None))
    for method in methods(protocol):
        _check_method(found, method.name, tuple(method.signature.parameters))
    _check_call(found, found, "be built with", given)
    queueing = kind == "block" and getattr(found, "submit_write", None) is not None
    if queueing:
        extra = next(method for method in methods(QueueingBlockDriver) if method.name == "submit_write")
        _check_method(found, extra.name, tuple(extra.signature.parameters))
    package, version = _distribution(origin.module)
    file = getattr(sys.modules.get(found.__module__), "__file__", None) or origin.file
    return Description(file, kind, queueing, package, version, role)


def _check_device(found: type, device: object) -> None:
    """Look whether a driver's own device fits."""
    if not isinstance(device, type):
        raise UsageError(
            f"expected the class of its device's model as device of {found.__name__}, not {words.value(device)}",
            hint="sevconf/contract/device.py tells what a model offers",
        )
    for method in methods(DeviceModel):
        _check_method(device, method.name, tuple(method.signature.parameters))
    _check_call(device, device, "be built with", ("bus",))


def _check_constant(found: type, name: str, known: tuple[str, ...]) -> None:
    options = " or ".join(repr(option) for option in known)
    got = getattr(found, name, None)
    if got is None:
        raise UsageError(f"{found.__name__} has no {name}", hint=f"add `{name} = {known[0]!r}` to the class")
    if got not in known:
        hint = f"this version judges a {name} of {options} only"
        raise UsageError(f"expected {options} as {name} of {found.__name__}, not {words.value(got)}", hint=hint)


def _check_method(found: type, name: str, parameters: tuple[str, ...]) -> None:
    method = getattr(found, name, None)
    call = f"{name}({', '.join(parameters)})"
    if method is None:
        others = [other for other in dir(found) if not other.startswith("_")]
        raise UsageError(f"{found.__name__} has no method {call}", hint=near(name, others))
    if not callable(method):
        raise UsageError(f"expected {name} of {found.__name__} to be a method, not {words.value(method)}")
    attribute = inspect.getattr_static(found, name)
    bound = isinstance(attribute, staticmethod | classmethod)
    _check_call(found, method, f"offer {name} for", parameters if bound else ("self", *parameters))


def _check_call(found: type, function: object, must: str, parameters: tuple[str, ...]) -> None:
    if not callable(function):
        return
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return  # written in C: the call will show
    try:
        signature.bind(*parameters)
    except TypeError as error:
        given = ", ".join(name for name in parameters if name != "self")
        raise UsageError(f"{found.__name__} must {must} the arguments ({given}): {error}") from error


def _distribution(module: str) -> tuple[str, str]:
    if not module:
        return "", ""
    packages = importlib.metadata.packages_distributions().get(module.partition(".")[0], [])
    return (packages[0], importlib.metadata.version(packages[0])) if packages else ("", "")
