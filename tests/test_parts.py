"""An IOMMU driver that maps common buffers whole or not at all: what UEFI lets it refuse is not held against it."""

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.judge import Setting
from sevconf.model.iommu.sev import SevIommu
from sevconf.model.parts import Parts
from sevconf.run import Order, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import ExitCode, Verdict
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva, Party, Profile


class MapsWholeBuffers(SevIommu):
    """Refuses a common buffer that does not begin where AllocateBuffer's memory does."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Compare the addresses."""
        buffer = self._buffer_around(host, length)
        if operation is DmaOperation.COMMON_BUFFER and buffer is not None and buffer.host != host:
            return Mapped(EfiStatus.UNSUPPORTED, 0, 0, MappingToken(0))
        return super().map(operation, host, length, wide=wide)


def test_a_refused_part_is_unsupported() -> None:
    """Rows on parts of common buffers are unsupported, all others of the rule pass."""
    target = ReferenceTarget("whole", Parts(iommu=MapsWholeBuffers), frozenset({Party.IOMMU_DRIVER}))
    setting = Setting(load(suite_root()), target, Profile.UEFI, 0, frozenset({"DMA-14"}))
    report = run(setting, Order("whole"))
    sev = {row.id: row.verdict for row in report.rows if row.id.endswith("on=sev,operation=BusMasterCommonBuffer}")}
    assert set(sev.values()) == {Verdict.UNSUPPORTED}
    others = {row.verdict for row in report.rows if row.id not in sev}
    assert others == {Verdict.PASSED}
    assert report.exit_code() == ExitCode.CONFORMING
