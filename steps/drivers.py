"""Sentences on a driver's storyline; what it must not do is judged by monitors over the whole trace."""

from pytest_bdd import given, then, when

from sevconf.contract import Machine
from sevconf.contract.disk import BLOCK
from sevconf.monitors import control, exit_window, judge_breaches
from sevconf.trace import DeviceRegister, MappingMade
from sevconf.vocabulary import EfiStatus

from .values import DISK, Monitored, Scene, moved

#: Blocks that the storyline moves at once, and where.
COUNT, LBA = 3, 8


def start(machine: Machine) -> None:
    """Let the driver start."""
    status = machine.driver.start()
    control(status is EfiStatus.SUCCESS, f"the driver did not start: {status}")


def work(machine: Machine, scene: Scene) -> None:
    """Let the driver write blocks and read them, and others, back."""
    for lba, count in ((LBA, 1), (LBA + 1, COUNT)):
        secret = machine.host.secret(f"blocks at {lba}", count * BLOCK)
        scene.secrets.append(secret)
        status = machine.driver.write(lba, secret.data)
        control(status is EfiStatus.SUCCESS, f"a write failed: {status}")
        control(machine.driver.medium(lba, count) == secret.data, "a write did not reach the disk")
    status, data = machine.driver.read(LBA + 1, COUNT)
    control(status is EfiStatus.SUCCESS and data == scene.secret.data, "what was written did not come back")
    control(moved(machine.trace, DISK), "the disk did no DMA")


@given("the disk's driver has started")
def started(machine: Machine) -> None:
    """Driver: Start."""
    start(machine)


@given("the disk's driver has started, and has written and read a block")
def started_and_worked(machine: Machine, scene: Scene) -> None:
    """Driver: Start and some work."""
    start(machine)
    work(machine, scene)


@given("the driver has stopped")
@when("the driver is stopped")
def stopped(machine: Machine) -> None:
    """Driver: Stop."""
    status = machine.driver.stop()
    control(status is EfiStatus.SUCCESS, f"the driver did not stop: {status}")


@given("the driver has stopped and started again")
def restarted(machine: Machine, scene: Scene) -> None:
    """Driver: Stop, Start and some work."""
    stopped(machine)
    start(machine)
    work(machine, scene)


@when("the disk's driver starts, writes and reads blocks, and stops")
def whole_life(machine: Machine, scene: Scene) -> None:
    """Driver: from Start to Stop."""
    start(machine)
    work(machine, scene)
    stopped(machine)


def require_handover(machine: Machine) -> None:
    """Hold that the machine was handed over; that the disk can do DMA is shown where the driver works."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")


@then("the disk does no DMA any more")
def no_dma(machine: Machine, monitored: Monitored) -> None:
    """Disk: behind the exit."""
    require_handover(machine)
    own = [made for made in machine.trace.of(MappingMade) if made.bus_master == DISK]
    touched = [entry for entry in machine.trace.of(DeviceRegister) if entry.device == DISK]
    control(own or touched, "the driver neither mapped anything nor touched a register of the disk")
    judge_breaches(monitored("DRV-01"))


@then("the disk was halted before its mappings were torn down")
def halted_in_time(machine: Machine, monitored: Monitored) -> None:
    """Disk: at the teardown."""
    require_handover(machine)
    judge_breaches(monitored("DRV-02"))


@then("nothing was unmapped while the disk ran")
def halted_before_unmap(machine: Machine, monitored: Monitored) -> None:
    """Disk: at Unmap."""
    control(list(machine.trace.of(MappingMade)), "the driver mapped nothing")
    judge_breaches(monitored("DRV-09"))


@then("every common buffer that it mapped came from AllocateBuffer")
def common_buffers_allocated(machine: Machine, monitored: Monitored) -> None:
    """Driver: their memory."""
    control(list(machine.trace.of(MappingMade)), "the driver mapped nothing")
    judge_breaches(monitored("DRV-03"))


@then("it freed no common buffer that was mapped")
def freed_after_unmap(machine: Machine, monitored: Monitored) -> None:
    """Driver: the order of Unmap and FreeBuffer."""
    control(list(machine.trace.of(MappingMade)), "the driver mapped nothing")
    judge_breaches(monitored("DRV-04"))


@then("every DMA of the disk was inside a live mapping of its own")
def dma_inside(machine: Machine, monitored: Monitored) -> None:
    """Disk: where its DMA goes."""
    control(moved(machine.trace, DISK), "the disk did no DMA")
    judge_breaches(monitored("DRV-05"))


@then("the disk read no BusMasterWrite mapping and wrote no BusMasterRead mapping")
def dma_directed(machine: Machine, monitored: Monitored) -> None:
    """Disk: which way its DMA goes."""
    control({e.write for e in moved(machine.trace, DISK)} == {True, False}, "the disk did not move data both ways")
    judge_breaches(monitored("DRV-06"))


@then("none of its mappings is live")
def all_unmapped(machine: Machine, monitored: Monitored) -> None:
    """Driver: at the end of Stop."""
    control(list(machine.trace.of(MappingMade)), "the driver mapped nothing")
    judge_breaches(monitored("DRV-07"))


@then("it unmapped nothing twice")
def unmapped_once(machine: Machine, monitored: Monitored) -> None:
    """Driver: each Unmap."""
    control(machine.trace.calls("PciIo.Unmap"), "the driver unmapped nothing")
    judge_breaches(monitored("DRV-08"))
