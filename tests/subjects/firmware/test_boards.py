"""Names and options of boards, and what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sevconf.errors import UsageError
from sevconf.subjects.firmware.boards import BOARDS, board


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an image of one block, and let every tool be there."""
    file = tmp_path / "image.fd"
    file.write_bytes(bytes(4096))
    monkeypatch.setattr("sevconf.subjects.firmware.packages.shutil.which", lambda name: f"/usr/bin/{name}")
    return file


def test_any_image_can_be_named(image: Path) -> None:
    """Options follow behind commas."""
    chosen = board(f"firmware:{image},disk=ide-hd,vars={image},qemu=other")
    assert (chosen.image, chosen.vars, chosen.disk, chosen.qemu) == (image, image, "ide-hd", "/usr/bin/other")


@pytest.mark.parametrize(
    ("option", "says"),
    [("net=on", "expected an option"), ("disk=", "expected an option"), ("disk=floppy", "virtio-blk or ide-hd")],
)
def test_only_known_options_are_taken(image: Path, option: str, says: str) -> None:
    """The list is closed."""
    with pytest.raises(UsageError, match=says):
        board(f"firmware:{image},{option}")


def test_a_file_that_is_no_image_is_refused(image: Path) -> None:
    """Flash comes in whole blocks."""
    image.write_bytes(b"no image")
    with pytest.raises(UsageError, match="whole blocks"):
        board(f"firmware:{image}")


def test_a_missing_image_names_its_package(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's packages bring them."""
    monkeypatch.setattr("sevconf.subjects.firmware.packages.Path.is_file", lambda _: False)
    for name, known in BOARDS.items():
        with pytest.raises(UsageError, match=f"install Debian's package {known.package}"):
            board(name)


def test_a_missing_tool_ends_with_exit_code_2(tmp_path: Path) -> None:
    """The command line says which package brings it."""
    image = tmp_path / "image.fd"
    image.write_bytes(bytes(4096))
    command = [sys.executable, "-m", "sevconf", "run", "--target", f"firmware:{image}"]
    done = subprocess.run(
        command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "install Debian's package qemu-system-x86" in done.stderr
