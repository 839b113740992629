"""The table of real drivers at exit, as seen from outside the guest: a value and its files."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sevconf.reporting.files import write
from sevconf.reporting.markdown import row

#: Name and version of the format of drivers.json.
SCHEMA = "sevconf-drivers/1"
JSON, MARKDOWN = "drivers.json", "drivers.md"


@dataclass(frozen=True, slots=True)
class DriverAtExit:
    """
    What a driver did at exit; `pages_written` counts pages of RAM that changed afterwards, while the guest waited.

    `halted` is what the device's registers say.
    """

    driver: str
    at_exit: str
    state: str
    bus_master: str
    stimulus: str
    pages_written: int
    halted: bool

    @property
    def contradicts(self) -> bool:
        """Whether memory changed though the device says that it is halted: a finding on the device, not its driver."""
        return self.halted and self.pages_written > 0


def write_drivers(drivers: Sequence[DriverAtExit], core: str, folder: Path, *, everything: bool) -> None:
    """Write both files; what is not public of a device is withheld unless `everything` is wanted."""
    told = [{**asdict(driver), "pages_written": _written(driver, everything=everything)} for driver in drivers]
    text = json.dumps({"schema": SCHEMA, "core": core, "drivers": told}, indent=1, ensure_ascii=False)
    write(folder / JSON, text + "\n")
    headers = ("driver", "at exit it", "its device", "bus master", "stimulus", "memory written afterwards")
    rows = [
        (d.driver, d.at_exit, d.state, d.bus_master, d.stimulus, str(_written(d, everything=everything)))
        for d in drivers
    ]
    lines = [f"# Drivers of {core} at ExitBootServices", "", row(headers), row(("---",) * len(headers))]
    write(folder / MARKDOWN, "\n".join([*lines, *map(row, rows)]) + "\n")


def _written(driver: DriverAtExit, *, everything: bool) -> int | str:
    return driver.pages_written if everything or not driver.contradicts else "withheld"
