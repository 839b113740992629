"""
DMA of a bench's devices as entries of a trace, where the monitors that judge every driver find it.

An entry has length 1, as QEMU tells only where an access begins. It stands behind the act of ours that was before it,
since devices work on their own. Behind VT-d a refused access is a fault, with source and reason; where QEMU tells no
direction there, since the page allows both, it is put down as a read.
"""

from collections.abc import Callable, Mapping

from sevconf.model.recorder import Recorder
from sevconf.subjects.qemu.accesses import Watcher
from sevconf.subjects.qemu.bench import Bench
from sevconf.trace import Dma, IommuFault
from sevconf.vocabulary import FaultReason


class DmaRecorder:
    """
    Records what devices of a bench do from now on: those of `actors`, by source id.

    `wrote` hears of each address that one wrote to.
    """

    def __init__(
        self, recorder: Recorder, bench: Bench, wrote: Callable[[int], None], actors: Mapping[int, str]
    ) -> None:
        self._recorder = recorder
        self._bench = bench
        self._wrote = wrote
        self._mark = bench.mark()
        self._actors = actors

    def record(self) -> None:
        """Record what was done since the last call."""
        for access in self._bench.accesses(self._mark):
            self._mark += 1
            actor = self._actors.get(access.source)
            if actor is None:
                continue
            told = {"device": actor, "address": access.address, "length": 1, "write": bool(access.write)}
            if self._bench.watcher is Watcher.VTD and not access.passed:
                reason = None if access.reason is None else FaultReason(access.reason)
                self._recorder.record(IommuFault, by=actor, **told, source=access.source, reason=reason)
                continue
            if access.write is not False:
                self._wrote(access.address)
            self._recorder.record(Dma, by=actor, **told)
