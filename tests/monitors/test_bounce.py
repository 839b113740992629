"""Bounce memory: one live mapping each, and private before it is freed."""

from typing import Any

import pytest

from sevconf.monitors.bounce import GivenBackOpen, SharedBounce
from sevconf.trace import CBitChanged, MappingEnded, MappingMade, ServiceCall, Trace
from sevconf.vocabulary import CBit, DmaOperation, Gpa, Gva, Tpl

IOMMU = "iommu-driver:sev"


def _record(trace: Trace, kind: Any, actor: str = IOMMU, **fields: Any) -> Any:
    return trace.record(kind, actor, None, Tpl.APPLICATION, **fields)


def _map(trace: Trace, name: str, host: int, device: int, length: int = 512) -> None:
    _record(
        trace,
        MappingMade,
        mapping=name,
        owner="scenario",
        bus_master="device:probe",
        operation=DmaOperation.READ,
        host=Gpa(host),
        device=device,
        length=length,
    )


@pytest.mark.parametrize(
    ("host", "device", "shared"),
    [
        (0x9000, 0x4000, True),
        (0x8000, 0x4000, True),
        (0x9000, 0x41FF, True),
        (0x9000, 0x4200, False),
        (0x4000, 0x4000, True),
        (0x9000, 0x3E00, False),
    ],
)
def test_bounces_are_compared_byte_by_byte(host: int, device: int, shared: bool) -> None:
    """A second mapping that begins before the first one's bounce ends shares it, whosever memory it is for."""
    trace = Trace()
    _map(trace, "M1", 0x8000, 0x4000)
    _map(trace, "M2", host, device)
    found = SharedBounce().breaches(trace)
    assert [breach.culprit for breach in found] == [IOMMU] * shared
    assert all(breach.steps == (1, 2) for breach in found)


def test_memory_in_place_may_be_mapped_twice() -> None:
    """Two mappings whose DeviceAddress is the HostAddress share the client's own bytes."""
    trace = Trace()
    _map(trace, "M1", 0x8000, 0x8000)
    _map(trace, "M2", 0x8100, 0x8100)
    assert not SharedBounce().breaches(trace)


def test_an_ended_mapping_shares_nothing() -> None:
    """A bounce may be used again, and a mapping may end twice or unknown."""
    trace = Trace()
    _map(trace, "M1", 0x8000, 0x4000)
    _record(trace, MappingEnded, mapping="M1")
    _record(trace, MappingEnded, mapping="M1")
    _map(trace, "M2", 0x9000, 0x4000)
    assert not SharedBounce().breaches(trace)


def _free(trace: Trace, actor: str = IOMMU, **fields: Any) -> None:
    arguments = tuple({"memory": 0x4000, "pages": 2, **fields}.items())
    _record(trace, ServiceCall, actor, service="FreePages", arguments=arguments)


def _turn(trace: Trace, gpa: int, pages: int, cbit: CBit) -> None:
    _record(trace, CBitChanged, gva=Gva(gpa), gpa=Gpa(gpa), pages=pages, cbit=cbit)


def test_open_pages_are_not_given_back() -> None:
    """One page of two that is open still is enough; the proof is who opened it, and who freed it."""
    trace = Trace()
    _turn(trace, 0x4000, 2, CBit.CLEAR)
    _turn(trace, 0x4000, 1, CBit.SET)
    _free(trace)
    (breach,) = GivenBackOpen().breaches(trace)
    assert breach.steps == (1, 3)
    assert "1 of which" in breach.observed


def test_private_pages_are_given_back() -> None:
    """What was closed in time, what was never open, and what lies beside, is no breach."""
    trace = Trace()
    _turn(trace, 0x4000, 2, CBit.CLEAR)
    _turn(trace, 0x6000, 1, CBit.CLEAR)
    _turn(trace, 0x4000, 2, CBit.SET)
    _free(trace)
    _free(trace, memory=None)
    assert not GivenBackOpen().breaches(trace)


def test_what_others_free_is_their_own_business() -> None:
    """Only the IOMMU driver's calls of FreePages count."""
    trace = Trace()
    _turn(trace, 0x4000, 2, CBit.CLEAR)
    _free(trace, "driver:disk")
    assert not GivenBackOpen().breaches(trace)
