"""What is told of drivers at exit, and what is withheld."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sevconf.jury.drivers import JSON, MARKDOWN, DriverAtExit, write_drivers

ONE = DriverAtExit("XDxe (x)", "stops it", "runs before, halted after", "set", "keys are pressed", 3, halted=True)


@pytest.mark.parametrize(
    ("driver", "everything", "told"),
    [(ONE, False, "withheld"), (ONE, True, 3), (replace(ONE, halted=False), False, 3)],
)
def test_what_speaks_against_a_device_is_withheld(
    tmp_path: Path, driver: DriverAtExit, *, everything: bool, told: object
) -> None:
    """A device that says it is halted and still writes is a finding on the device."""
    write_drivers([driver], "ovmf", tmp_path, everything=everything)
    assert json.loads((tmp_path / JSON).read_text(encoding="utf-8"))["drivers"][0]["pages_written"] == told
    assert f"| {told} |" in (tmp_path / MARKDOWN).read_text(encoding="utf-8")
