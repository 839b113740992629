"""
A binary as a worker gets it: one file of our own with the images, laid out already, and what was chosen.

Images are read once, in a child (`images.files`); every worker inherits them from the process that makes it.
"""

import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sevconf.contract.driver import Role
from sevconf.subjects.binary.images.image import Image
from sevconf.subjects.binary.platform import Platform
from sevconf.subjects.binary.symbols import Symbols


@dataclass(frozen=True, slots=True)
class Package:
    """An image, its known functions, the images to be started before it, the platform, and a fault to be injected."""

    image: Image
    symbols: Symbols
    beneath: tuple[Image, ...]
    platform: Platform
    pcd: tuple[tuple[int, int], ...]
    inject: str = ""


@dataclass(frozen=True, slots=True)
class BinaryOrigin:
    """Where a package is, who acts when its image does, and its role."""

    name: str
    file: str
    culprit: str
    role: Role = "iommu-driver"

    def package(self) -> Package:
        """Read the package, once a process."""
        return _read(self.file)


@dataclass(frozen=True, slots=True)
class ModelOrigin:
    """A machine of the model, by the name of its target; only what lies beneath it is foreign."""

    name: str
    culprit: str
    role: Role = "driver"


@cache
def _read(file: str) -> Package:
    package = pickle.loads(Path(file).read_bytes())  # noqa: S301 -- our own file, in our own folder
    if not isinstance(package, Package):
        raise TypeError(f"{file} holds no package")
    return package
