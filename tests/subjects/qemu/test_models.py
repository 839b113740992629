"""The closed list of devices, and how one is ordered."""

import pytest

from sevconf.errors import UsageError
from sevconf.subjects.qemu.function import _RUNS
from sevconf.subjects.qemu.models import BY_CLASS, BY_IDS, FOR_PYTHON, MODELS, default_for, order


def test_an_order_has_what_is_always_on() -> None:
    """And what is given takes its place."""
    assert order("qemu:nvme").arguments == "nvme,serial=sevconf"
    assert order("qemu:nvme,mdts=3,serial=a").arguments == "nvme,mdts=3,serial=a"
    assert order("qemu:nvme,fault=read").arguments == "nvme,serial=sevconf"
    assert order("qemu:nvme,mdts=3").text == "qemu:nvme,mdts=3"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("qemu:nvm", "there is no device 'qemu:nvm'", "nvme"),
        ("qemu:zzz", "there is no device 'qemu:zzz'", "sevconf list devices"),
        ("qemu:edu,romfile=/etc/passwd", "takes no option 'romfile'", "dma_mask"),
        ("qemu:edu,id=x", "takes no option 'id'", "dma_mask"),
        ("qemu:edu,dma_mask=all", "another value for dma_mask of edu, not 'all'", ""),
        ("qemu:edu,dma_mask=1 -S", "another value for dma_mask", ""),
        ("qemu:edu,fault=read", "takes no option 'fault'", "dma_mask"),
        ("qemu:ahci,fault=all", "another value for fault of ahci", ""),
        ("qemu:edu,", "takes no option ''", "dma_mask"),
    ],
)
def test_what_is_not_on_the_list_is_refused(text: str, message: str, hint: str) -> None:
    """With what there is instead."""
    with pytest.raises(UsageError) as caught:
        order(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_defaults_by_ids_and_by_class() -> None:
    """Ids say more than a class does; what neither knows has no default."""
    found = default_for(ids=(0x1AF4, 0x1042), class_code=0x010802)
    assert found is not None
    assert found.model.name == "virtio-blk-pci"
    found = default_for(ids=(1, 2), class_code=0x010802)
    assert found is not None
    assert found.model.name == "nvme"
    assert default_for(ids=(1, 2)) is None
    assert default_for(class_code=0x123456) is None


def test_every_default_is_of_its_class() -> None:
    """And no two models have the same ids, or one would have no default."""
    assert all(MODELS[name].class_code == code for code, name in BY_CLASS.items())
    assert len(BY_IDS) == len(MODELS)


def test_devices_for_python_drivers_say_whether_they_run() -> None:
    """Each of them, by registers of its own; so do others, which binaries drive."""
    assert FOR_PYTHON <= set(_RUNS) <= set(MODELS)
