"""What README shows must run."""

import re
from pathlib import Path

from sevconf.monitors import charge
from sevconf.subjects.registry import resolve
from sevconf.vocabulary import EfiStatus, MachineKind

README = Path(__file__).parent.parent / "README.md"


def test_the_driver_in_readme_conforms(tmp_path: Path) -> None:
    """The whole driver that README prints starts, works, stops and hands over, and breaks nothing."""
    block = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    (tmp_path / "mine.py").write_text(block.group(1), encoding="utf-8")
    target = resolve(f"{tmp_path / 'mine.py'}:MyDriver")
    try:
        for kind in (MachineKind.NONE, MachineKind.SEV):
            machine = target.open(kind, 1)
            data = bytes(range(256)) * 4
            assert machine.driver.start() is EfiStatus.SUCCESS
            assert machine.driver.write(5, data) is EfiStatus.SUCCESS
            assert machine.driver.read(5, 2) == (EfiStatus.SUCCESS, data)
            assert machine.driver.stop() is EfiStatus.SUCCESS
            assert machine.driver.start() is EfiStatus.SUCCESS
            assert machine.loader.boot() is EfiStatus.SUCCESS
            machine.host.run_devices(4)
            assert charge(machine.trace, target.parties) == ()
            machine.close()
    finally:
        target.close()
