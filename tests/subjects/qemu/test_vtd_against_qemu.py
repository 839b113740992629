"""The reference VT-d unit held against QEMU's: random tables, real DMA; same grants, same faults."""

import os
from collections.abc import Iterator

import pytest

from sevconf.model.iommu import vtd_unit
from sevconf.model.iommu.vtd_unit import VtdUnit
from sevconf.subjects.qemu.accesses import Watcher
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.models import order
from sevconf.subjects.qemu.vtd import Recorded, VtdRegisters
from sevconf.vocabulary import FaultReason
from tests.subjects.qemu.vtd_cases import DEVICES, Case, ModelSide, Outcome, QemuSide, Round

#: Cases of a run; soak asks for 1,000.
CASES = int(os.environ.get("SEVCONF_VTD_CASES", "100"))
ROUNDS = range(-(-CASES // DEVICES))


class Seen:
    """What QEMU did in every round."""

    def __init__(self) -> None:
        self.rounds: list[tuple[Round, list[Outcome]]] = []
        with Bench([order("qemu:edu")] * DEVICES, watcher=Watcher.VTD) as bench:
            qemu = QemuSide(bench)
            self.sources = qemu.sources
            for seed in ROUNDS:
                tables = Round(seed, self.sources)
                self.rounds.append((tables, list(qemu.outcomes(tables))))

    def against(self, unit: type[VtdUnit] = VtdUnit) -> Iterator[tuple[int, Case, Outcome, Outcome]]:
        """Yield seed and case, what the model says of it, and what QEMU did."""
        model = ModelSide(unit, self.sources)
        for seed, (tables, outcomes) in zip(ROUNDS, self.rounds, strict=True):
            for case, said, done in zip(tables.cases, model.outcomes(tables), outcomes, strict=True):
                yield seed, case, said, done


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Return what QEMU did; it is asked once."""
    return Seen()


def test_same_grants_and_same_faults(seen: Seen) -> None:
    """No difference at all: the memory that bytes went to or came from, and every fault record."""
    different = [(seed, case, said, done) for seed, case, said, done in seen.against() if said != done]
    assert not different


def test_the_cases_mean_something(seen: Seen) -> None:
    """Bytes moved both ways, and nearly every reason to refuse was met."""
    every = list(seen.against())
    assert len(every) >= CASES
    moved = [case.write for _, case, _, done in every if done.reached is not None]
    assert min(moved.count(True), moved.count(False)) >= CASES / 10
    reasons = {FaultReason(done.recorded[3]) for *_, done in every if done.recorded}
    assert len(reasons) >= 8
    assert {FaultReason.NO_READ_ACCESS, FaultReason.NO_WRITE_ACCESS, FaultReason.RESERVED_IN_TABLE} <= reasons


class OneToOne(VtdUnit):
    """A unit that forgets where a page goes."""

    def _walk(self, *given: object) -> int | FaultReason:
        found = super()._walk(*given)  # type: ignore[arg-type]
        return found if isinstance(found, FaultReason) else int(given[1])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("constant", "wrong"),
    [
        ("LARGE", 0),
        ("_TABLE_RESERVED", 0),
        ("_CONTEXT_RESERVED", (0, 0)),
        ("LEVELS_BY_AGAW", {1: 4, 2: 4}),
        ("LEVELS_BY_AGAW", {1: 3, 2: 4, 3: 4, 0: 4}),
        ("PASS_THROUGH", 1 << 2),
        ("FAULTS_UNTOLD", 0),
        ("LEVEL_BITS", 10),
    ],
)
def test_a_bug_of_the_model_is_found(seen: Seen, monkeypatch: pytest.MonkeyPatch, constant: str, wrong: object) -> None:
    """Planted here one by one."""
    monkeypatch.setattr(vtd_unit, constant, wrong)
    assert any(said != done for *_, said, done in seen.against())


def test_a_unit_that_forgets_where_pages_go_is_found(seen: Seen) -> None:
    """By the bytes alone."""
    assert any(said != done for *_, said, done in seen.against(OneToOne))


def test_the_unit_records_what_its_log_tells() -> None:
    """The fault record register has source, page, direction and reason; once it is taken it is empty."""
    with Bench([order("qemu:edu")] * 2, watcher=Watcher.VTD) as bench:
        qemu = QemuSide(bench)
        unit = VtdRegisters(bench)
        met = 0
        for seed in range(20):
            tables = Round(seed, qemu.sources)
            outcomes = list(qemu.outcomes(tables))
            recorded = [outcome.recorded for outcome in outcomes if outcome.recorded]
            taken = unit.take_fault()
            if recorded:
                assert taken in [Recorded(*record) for record in recorded]
                met += 1
            assert unit.take_fault() is None
            if met == 3:
                return
    pytest.fail("the cases have too few faults")
