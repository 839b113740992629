"""Sentences on common buffers of the scenario's own after their mappings have ended."""

from pytest_bdd import given

from sevconf.contract import Machine
from sevconf.monitors import control
from sevconf.vocabulary import pages_for

from .values import Scene


@given("its client has written the secret to the buffer once more")
def written_again(machine: Machine, scene: Scene) -> None:
    """Guest memory: a buffer that its client still owns, and that no mapping covers."""
    machine.memory.write(scene.notes["buffer"], scene.secret.data)


@given("its client has freed the buffer")
def freed(machine: Machine, scene: Scene) -> None:
    """DMA: FreeBuffer."""
    status = machine.dma.free_buffer(pages_for(scene.notes["length"]), scene.notes["buffer"])
    control(not status.is_error, f"FreeBuffer of a buffer that is not mapped returned {status}")
