"""
Images of a file, as the suite asks for them; whoever reads the file is a child that may die of it.

A file is a PE image, a PCI option ROM or firmware with volumes. `FILE` names its only image, `FILE#NAME` one by its
name, its GUID or its number in `sevconf list images FILE`.
"""

import base64
import binascii
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sevconf.errors import Unsupported, UsageError
from sevconf.subjects.binary import extra
from sevconf.subjects.binary.images.image import JUDGED, Image, Listed, Section
from sevconf.subjects.near import near

#: Bytes of the largest file that is read, and of the child's largest answer.
LARGEST = 64 << 20
LARGEST_ANSWER = 128 << 20
#: Seconds that the child may take.
PATIENCE = 60

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[3:]; from sevconf.subjects.binary.images.reader import main; "
    "main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2] else None)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image is: a file, and what chooses it there (empty: the only one)."""

    path: Path
    selector: str

    @property
    def name(self) -> str:
        """How reports call it: without folders."""
        return f"{self.path.name}#{self.selector}" if self.selector else self.path.name


def place_of(name: str) -> Place:
    """Read the name of an image, `FILE` or `FILE#SELECTOR`."""
    path, _, selector = name.partition("#")
    return Place(Path(path), selector)


def images_of(path: Path) -> tuple[Listed, ...]:
    """
    List the images of a file.

    Raises:
        UsageError: there is no such file, it is damaged, or it holds none.

    """
    found = _ask(path, "")
    return tuple(_made(path, lambda: [Listed(**listed) for listed in found["images"]]))


def load(place: Place) -> Image:
    """
    Return an image, laid out.

    Raises:
        UsageError: there is none of that name, or it is damaged.
        Unsupported: it is a sound image, of another architecture or form.

    """
    chosen = _chosen(place, images_of(place.path))
    if chosen.form == "damaged":
        raise UsageError(f"{place.name} is no image that can be loaded: its section holds no PE image")
    if (chosen.form, chosen.machine) != ("PE32+", JUDGED):
        raise Unsupported(f"{place.name} is {chosen.form} for {chosen.machine}; PE32+ for {JUDGED} is what is judged")
    found = _ask(place.path, str(chosen.number))
    image: Image = _made(place.path, lambda: _image(found["image"], chosen.name or place.path.stem))
    return image


def _image(found: dict[str, Any], name: str) -> Image:
    sections = tuple(Section(**section) for section in found.pop("sections"))
    memory = base64.b64decode(found.pop("memory"))
    relocations = tuple(found.pop("relocations"))
    return Image(**{**found, "name": name}, sections=sections, relocations=relocations, memory=memory)


def _made(path: Path, make: Any) -> Any:
    try:
        return make()
    except (TypeError, ValueError, KeyError, AttributeError, binascii.Error) as error:
        raise UsageError(f"{path.name} cannot be read: its reader answers nonsense ({error})") from error


def _chosen(place: Place, images: tuple[Listed, ...]) -> Listed:
    show = f"`sevconf list images {place.path.name}` shows them"
    if not place.selector:
        judged = [image for image in images if (image.form, image.machine) == ("PE32+", JUDGED)]
        candidates = judged or images
        if len(candidates) != 1:
            raise UsageError(f"{place.path.name} holds {len(candidates)} images", hint=f"name one behind a #: {show}")
        return candidates[0]
    wanted = place.selector.lower()
    if wanted.isdecimal():
        if int(wanted) < len(images):
            return images[int(wanted)]
        raise UsageError(f"{place.path.name} has {len(images)} images, none of number {wanted}", hint=show)
    named = [image for image in images if wanted in {image.name.lower(), image.guid.lower()}]
    if not named:
        names = [image.name for image in images]
        raise UsageError(f"{place.path.name} has no image {place.selector}", hint=near(place.selector, names) or show)
    if len({image.sha256 for image in named}) > 1:
        numbers = ", ".join(f"#{image.number}" for image in named)
        raise UsageError(f"{place.path.name} has {len(named)} images {place.selector}", hint=f"name one: {numbers}")
    return named[0]


def _ask(path: Path, number: str) -> dict[str, Any]:
    extra.check()
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UsageError(f"expected a file, and {path} is none")
        if size > LARGEST:
            raise UsageError(f"{path.name} has {size} bytes; at most {LARGEST} are read")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    found = _converse(path, number, data)
    if "bad" in found:
        raise UsageError(f"{path.name} holds no image that can be loaded: {found['bad']}")
    return found


def _converse(path: Path, number: str, data: bytes) -> dict[str, Any]:
    """Let a child read the bytes; they reach it, and its answer us, by files, so nobody waits for anybody."""
    with os.fdopen(os.memfd_create("image"), "w+b") as given, os.fdopen(os.memfd_create("answer"), "w+b") as answer:
        given.write(data)
        given.seek(0)
        command = [sys.executable, "-P", "-c", _PROGRAM, str(answer.fileno()), number]
        with suppress(subprocess.TimeoutExpired):
            child = subprocess.run(
                [*command, *(entry or str(Path.cwd()) for entry in sys.path)],
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(answer.fileno(),),
                start_new_session=True,
                timeout=PATIENCE,
                check=False,
            )
            answer.seek(0)
            text = answer.read(LARGEST_ANSWER + 1)
            if child.returncode == 0 and 0 < len(text) <= LARGEST_ANSWER:
                with suppress(ValueError):
                    found = json.loads(text)
                    if isinstance(found, dict):
                        return found
            how = f"its reader ends with code {child.returncode} and answers nothing that can be used"
            raise UsageError(f"{path.name} cannot be read: {how}")
        raise UsageError(f"{path.name} cannot be read: that takes more than {PATIENCE} seconds")
