"""Drawings of traces: what they show is what the trace says, and they stay of a size."""

import re
from typing import Any

from sevconf.reporting.html.exposure import exposure, histories
from sevconf.reporting.html.sequence import CAP, chosen, sequence
from sevconf.trace import DeviceRegister, Trace
from sevconf.trace import entries as e
from sevconf.vocabulary import CBit, DmaOperation, Gpa, Gva, Tpl

PAGE = 0x1000


def _trace() -> Trace:
    """Return the story of a bounce page: opened, mapped, written by a device, unmapped, and found by an attacker."""
    trace = Trace()

    def tell(kind: type[e.Entry], actor: str, **fields: Any) -> None:
        tpl = fields.pop("tpl", Tpl.APPLICATION)
        trace.record(kind, actor, None, tpl, **fields)

    tell(e.ServiceCall, "driver:disk", service="PciIo.Map", arguments=())
    tell(e.CBitChanged, "iommu-driver:sev", gva=Gva(5 * PAGE), gpa=Gpa(5 * PAGE), pages=2, cbit=CBit.CLEAR)
    mapped: dict[str, Any] = {
        "mapping": "M1",
        "owner": "driver:disk",
        "bus_master": "device:disk",
        "operation": DmaOperation.WRITE,
    }
    tell(e.MappingMade, "iommu-driver:sev", **mapped, host=Gpa(9 * PAGE), device=5 * PAGE, length=PAGE)
    tell(e.Dma, "device:disk", device="device:disk", address=5 * PAGE, length=16, write=True)
    tell(e.MappingEnded, "iommu-driver:sev", tpl=Tpl.CALLBACK, mapping="M1")
    tell(e.CBitChanged, "iommu-driver:sev", gva=Gva(5 * PAGE), gpa=Gpa(5 * PAGE), pages=2, cbit=CBit.SET)
    tell(e.Dumped, "host", attacker=True, pages=4, sha256="", findings=(e.Finding("<S&1>", 0, Gpa(5 * PAGE), 16),))
    return trace


def test_a_page_is_open_from_its_write_and_not_from_its_c_bit_alone() -> None:
    """Bytes that a device wrote stay plain when the C-bit is set again, and that is what the attacker finds."""
    bounce, beside = histories(_trace(), behind_iommu=False)
    assert (bounce.first, bounce.pages, bounce.leaks) == (5, 1, [(7, 16)])
    assert bounce.spans == {"mapped": [(3, 5)], "clear": [(2, 6)], "plain": [(4, 8)]}
    assert (beside.first, beside.spans["clear"], beside.spans["plain"]) == (6, [(2, 6)], [])


def test_behind_an_iommu_a_mapping_exposes_the_clients_page() -> None:
    """DeviceAddresses are translated there: mapping and DMA show at the HostAddress."""
    client = next(line for line in histories(_trace(), behind_iommu=True) if line.first == 9)
    assert (client.spans["mapped"], client.spans["plain"]) == ([(3, 5)], [(4, 8)])


def test_the_guests_own_write_closes_a_page() -> None:
    """What the guest writes through a set C-bit lies encrypted."""
    trace = Trace()
    for cbit in (CBit.CLEAR, CBit.SET):
        access: dict[str, Any] = {"gva": Gva(PAGE), "gpa": Gpa(PAGE), "length": 8, "write": True, "cbit": cbit}
        trace.record(e.GuestAccess, "driver:disk", None, Tpl.APPLICATION, **access)
    assert histories(trace, behind_iommu=False)[0].spans["plain"] == [(1, 2)]


def test_the_chart_says_in_words_what_it_shows() -> None:
    """Somebody who does not see it reads how much leaked; the leak is drawn, and counted in the picture."""
    drawn = exposure(_trace(), "sev", "Memory")
    assert "2 pages were open to the host at some time; an attacker's dump found 16 bytes" in drawn.unescape()
    assert drawn.count('<g class="leak">') == 1
    assert ">16 B</text>" in drawn
    assert 'class="when compromise"' in drawn
    assert exposure(Trace(), "sev", "Memory") == ""


def test_without_encryption_only_what_devices_may_use_is_shown() -> None:
    """Everything lies plain there, so C-bits and plain bytes would tell nothing."""
    drawn = exposure(_trace(), "none", "Memory")
    assert 'class="mapped"' in drawn
    assert 'class="clear"' not in drawn
    assert 'class="plain"' not in drawn


def test_a_sequence_marks_its_proof_and_escapes_what_it_is_told() -> None:
    """Steps of the proof are marked by more than a colour; names from a trace cannot become markup."""
    drawn = sequence(_trace(), frozenset({4}), "<Name>")
    assert drawn.count("▶ ") == drawn.count('class="event marked"') == 1
    assert "<title>&lt;Name&gt;</title>" in drawn
    assert "<S&1>" not in drawn
    assert re.findall(r'class="head"[^>]*>([^<]+)<', drawn) == [
        "driver",
        "PCI" if ">PCI<" in drawn else "core",
        "IOMMU",
        "device",
        "hypervisor",
    ]


def test_a_long_trace_is_cut_to_what_matters() -> None:
    """Register accesses go first; proof, mappings and dumps stay, in order."""
    trace = _trace()
    for _ in range(3 * CAP):
        trace.record(
            DeviceRegister,
            "driver:disk",
            None,
            Tpl.APPLICATION,
            device="device:disk",
            register="R",
            value=1,
            write=False,
        )
    shown = chosen(trace, frozenset({200}))
    assert len(shown) == CAP
    assert {3, 5, 7, 200} <= {entry.step for entry in shown}
    assert [entry.step for entry in shown] == sorted(entry.step for entry in shown)
