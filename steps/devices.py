"""
Sentences on keyboard and network card, and on what a driver's CPU code leaves alone.

They belong to `features/drivers`, whose sentences on the disk are in `drivers`; one module for all would be too long.
"""

from collections.abc import Callable

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.contract.disk import BLOCK
from sevconf.monitors import control, judge, judge_breaches, outlived
from sevconf.trace import DeviceRegister, Dma, MappingMade, party_of
from sevconf.vocabulary import Command, EfiStatus, Party

from .drivers import require_handover
from .values import DEVICES, Monitored, Scene, moved

#: Bytes of a report, reports typed between two looks at them, how often that is done, steps that a device is given.
REPORT, TYPED, TIMES, STEPS = 8, 4, 3, 12
#: Bytes of a frame.
FRAME = 600
#: Where a text is saved.
LBA = 24


def type_keys(machine: Machine, scene: Scene, *, unread: int = 0) -> None:
    """Type a secret, reading all but the last `unread` keys of it."""
    secret = machine.host.keystrokes("what is typed", TYPED * TIMES)
    scene.secrets.append(secret)
    size = TYPED * REPORT
    for start in range(0, len(secret.data), size):
        machine.keyboard.press(secret.data[start : start + size])
        machine.host.run_devices(STEPS)
        if unread:
            machine.host.search([secret])
        last = start + size == len(secret.data)
        read_keys(machine, secret.data[start : start + size - (unread * REPORT if last else 0)])


def read_keys(machine: Machine, reports: bytes) -> None:
    """Read keys, and hold that they are the ones that were typed."""
    for at in range(0, len(reports), REPORT):
        status, report = machine.keyboard.read_key()
        control(status is EfiStatus.SUCCESS, f"a key was not read: {status}")
        control(report == reports[at : at + REPORT], "another key was read than the one that was typed")


def exchange_frames(machine: Machine) -> None:
    """Send frames, and receive as many."""
    for number in range(TIMES):
        frame = machine.host.secret(f"frame {number}", FRAME + number).data
        status = machine.network.transmit(frame)
        control(status is EfiStatus.SUCCESS, f"a frame was not sent: {status}")
        control(machine.network.sent()[-1:] == (frame,), "another frame is on the wire than the one that was sent")
        receive_frame(machine, machine.host.secret(f"answer {number}", FRAME).data)


def receive_frame(machine: Machine, frame: bytes) -> None:
    """Let a frame arrive, and receive it."""
    machine.network.deliver(frame)
    machine.host.run_devices(STEPS)
    status, received = machine.network.receive()
    control(status is EfiStatus.SUCCESS, f"a frame was not received: {status}")
    control(received == frame, "another frame was received than the one that arrived")


# The keyboard


@given("a keyboard driver that maps each transfer by itself")
def transfers(machine: Machine) -> None:
    """Keyboard: the driver with a mapping per transfer."""
    machine.setup.keyboard_transfers()


@given("the keyboard's driver has started")
def keyboard_started(machine: Machine) -> None:
    """Keyboard: Start."""
    status = machine.keyboard.start()
    control(status is EfiStatus.SUCCESS, f"the keyboard's driver did not start: {status}")


@given(parsers.re(r"a keyboard whose reports arrive in (?P<memory>a common buffer|a mapping per transfer)"))
def keyboard_with(machine: Machine, memory: str) -> None:
    """Keyboard: Start of one of two drivers."""
    if memory == "a mapping per transfer":
        transfers(machine)
    keyboard_started(machine)


@given("the keyboard's driver has started, and keys were typed")
def keyboard_worked(machine: Machine, scene: Scene) -> None:
    """Keyboard: Start and some work."""
    keyboard_started(machine)
    type_keys(machine, scene)


@given("more keys were pressed than were read")
def keys_unread(machine: Machine) -> None:
    """Keyboard: reports that lie in memory, and keys that find no room."""
    machine.keyboard.press(machine.host.keystrokes("unread", 2 * TYPED).data)
    machine.host.run_devices(STEPS)


@when("a key is pressed")
def key_pressed(machine: Machine) -> None:
    """Keyboard: a key, and time for it to be told."""
    machine.keyboard.press(machine.host.keystrokes("one more", 1).data)
    machine.host.run_devices(STEPS)


@when("the keyboard's driver starts, keys are typed, and it stops")
def keyboard_life(machine: Machine, scene: Scene) -> None:
    """Keyboard: from Start to Stop."""
    keyboard_worked(machine, scene)
    stop_keyboard(machine)


def stop_keyboard(machine: Machine) -> None:
    """Let the keyboard's driver stop."""
    status = machine.keyboard.stop()
    control(status is EfiStatus.SUCCESS, f"the keyboard's driver did not stop: {status}")


@given("keys of a secret were typed, the last of them unread")
def secret_typed(machine: Machine, scene: Scene) -> None:
    """Keyboard: keystrokes, seen by a search while they are in memory."""
    type_keys(machine, scene, unread=2)


@given(
    parsers.re(
        r"the keyboard's mappings have ended: (?P<end>its driver was stopped|the machine was handed over)",
    )
)
def mappings_ended(machine: Machine, end: str) -> None:
    """Keyboard: Stop, or the teardown."""
    if end == "its driver was stopped":
        stop_keyboard(machine)
    else:
        control(machine.loader.boot() is EfiStatus.SUCCESS, "the machine was not handed over")


@given("a text of that secret is on its way to the disk")
def text_saved(machine: Machine, scene: Scene) -> None:
    """Driver: sectors that a text is saved in, seen by a search on their way."""
    control(machine.driver.start() is EfiStatus.SUCCESS, "the disk's driver did not start")
    scene.secrets.append(machine.host.secret("the text", 2 * BLOCK))
    status = machine.driver.submit_write(LBA, scene.secret.data)
    control(status is EfiStatus.SUCCESS, f"the text was not taken: {status}")
    machine.host.search([scene.secret])


# The network card


@given("the network driver has started")
def network_started(machine: Machine) -> None:
    """Network: Start."""
    status = machine.network.start()
    control(status is EfiStatus.SUCCESS, f"the network driver did not start: {status}")


@given("the network driver has started, and frames went both ways")
def network_worked(machine: Machine) -> None:
    """Network: Start and some work."""
    network_started(machine)
    exchange_frames(machine)


@given("frames have arrived that nobody has received")
def frames_waiting(machine: Machine) -> None:
    """Network: frames in the receive ring."""
    for number in range(2):
        machine.network.deliver(machine.host.secret(f"waiting {number}", FRAME).data)
    machine.host.run_devices(STEPS)


@when("a frame arrives")
def frame_arrives(machine: Machine) -> None:
    """Network: a frame from outside, and time for it to be received."""
    machine.network.deliver(machine.host.secret("one more", FRAME).data)
    machine.host.run_devices(STEPS)


@when("the network driver starts, frames go both ways, and it stops")
def network_life(machine: Machine) -> None:
    """Network: from Start to Stop."""
    network_worked(machine)
    status = machine.network.stop()
    control(status is EfiStatus.SUCCESS, f"the network driver did not stop: {status}")


@given("a frame with a secret was received, and sent back")
def frame_echoed(machine: Machine, scene: Scene) -> None:
    """Network: a secret in frames, seen by a search in the receive ring."""
    scene.secrets.append(machine.host.secret("the frame's", FRAME))
    receive_frame(machine, scene.secret.data)
    machine.host.search(scene.secrets)
    status = machine.network.transmit(scene.secret.data)
    control(status is EfiStatus.SUCCESS, f"the frame was not sent back: {status}")


# A device that its driver brings


@given("the driver of its own device has started, and has worked")
def own_worked(machine: Machine) -> None:
    """Own device: it was seen to move data both ways, and to tell of what happened outside."""
    status = machine.own_device.start()
    control(status is EfiStatus.SUCCESS, f"the driver of its own device did not start: {status}")
    status = machine.own_device.work()
    control(status is EfiStatus.SUCCESS, f"it did not work: {status}")
    before = len(machine.trace)
    happens = own_stimulated(machine)
    told = [dma for dma in machine.trace.of(Dma, since=before) if dma.write]
    control(told or not happens, "its device tells nothing of what happens outside by DMA")


@when("something happens that the driver's own device tells of")
def own_stimulated(machine: Machine) -> bool:
    """Own device: a stimulus from outside, and time for it to be told; False if nothing can happen to it."""
    happens = machine.own_device.stimulate()
    machine.host.run_devices(STEPS)
    return happens


@when("the driver of its own device starts, works, and stops")
def own_life(machine: Machine) -> None:
    """Own device: from Start to Stop."""
    own_worked(machine)
    status = machine.own_device.stop()
    control(status is EfiStatus.SUCCESS, f"the driver of its own device did not stop: {status}")


# What must hold of either


@then(parsers.re(r"the (?P<device>keyboard|network card|driver's own device) does no DMA any more"))
def device_silent(machine: Machine, monitored: Monitored, device: str) -> None:
    """Device: behind the exit."""
    require_handover(machine)
    control(moved(machine.trace, DEVICES[device]), "the device did no DMA before")
    judge_breaches(monitored("DRV-01"))


@then(
    parsers.re(
        r"every DMA of the (?P<device>keyboard|network card|driver's own device) was inside a live mapping "
        r"that allows it"
    )
)
def device_inside(machine: Machine, monitored: Monitored, device: str) -> None:
    """Device: where its DMA goes, and which way."""
    control(
        {e.write for e in moved(machine.trace, DEVICES[device])} == {True, False},
        "the device did not move data both ways",
    )
    judge_breaches((*monitored("DRV-05"), *monitored("DRV-06")))


@then(
    parsers.re(
        r"the (?P<device>keyboard|network card|driver's own device) was halted, and then all that its driver mapped "
        r"was unmapped once",
    )
)
def device_given_back(machine: Machine, monitored: Monitored) -> None:
    """Driver: the order of Stop, and its mappings."""
    control(list(machine.trace.of(MappingMade)), "the driver mapped nothing")
    judge_breaches((*monitored("DRV-09"), *monitored("DRV-07"), *monitored("DRV-08")))


@then(parsers.re(r"no mapping of the (?P<device>network card|driver's own device) was unmapped while it ran"))
def unmapped_at_rest(machine: Machine, monitored: Monitored) -> None:
    """Driver: the order in its exit handler."""
    require_handover(machine)
    judge_breaches(monitored("DRV-09"))


@then("the driver's exit handler has used no memory services")
def handler_frugal(machine: Machine, monitored: Monitored) -> None:
    """Memory services: inside the exit handlers of the driver."""
    require_handover(machine)
    ran = [h for h in machine.trace.handlers() if party_of(h.actor) == Party.DRIVER.value]
    control(ran, "no exit handler of the driver ran")
    judge_breaches((*monitored("MEM-01"), *monitored("MEM-02")))


@then(
    parsers.re(
        r"the (?P<device>keyboard|network card|driver's own device) was halted before its mappings were torn down"
    )
)
def device_halted_in_time(machine: Machine, monitored: Monitored) -> None:
    """Device: at the teardown."""
    require_handover(machine)
    judge_breaches(monitored("DRV-02"))


@then("it is answered whether the network card's bus-master bit is set")
def bus_master_bit(machine: Machine, answer: Callable[[str], None]) -> None:
    """Device: the last write of that bit."""
    require_handover(machine)
    commands = [e for e in machine.trace.of(DeviceRegister) if e.register == "COMMAND" and e.write]
    control(any(e.value & Command.BUS_MASTER for e in commands), "the driver never set the bus-master bit")
    answer("yes" if commands[-1].value & Command.BUS_MASTER else "no")


# The CPU


@then("the CPU wrote no buffer that was mapped for its device to read")
def buffers_unwritten(machine: Machine, monitored: Monitored) -> None:
    """Guest memory: buffers of Read mappings."""
    control(any(m.operation.device_reads for m in machine.trace.of(MappingMade)), "nothing was mapped to be read")
    judge_breaches(monitored("DRV-20"))


@then("the CPU touched no buffer that was mapped for its device to write")
def buffers_untouched(machine: Machine, monitored: Monitored) -> None:
    """Guest memory: buffers of Write mappings."""
    control(any(m.operation.device_writes for m in machine.trace.of(MappingMade)), "nothing was mapped to be written")
    judge_breaches(monitored("DRV-21"))


@then("the CPU used no DeviceAddress as a pointer")
def device_addresses_unused(machine: Machine, monitored: Monitored) -> None:
    """Guest memory: what lies at the DeviceAddress of Read and Write mappings."""
    control(list(machine.trace.of(MappingMade)), "the driver mapped nothing")
    judge_breaches(monitored("DRV-22"))


@then("no Read or Write mapping has outlived a call")
def nothing_outlived(machine: Machine) -> None:
    """Driver: its mappings whenever a call returns."""
    control(list(machine.trace.of(MappingMade)), "the driver mapped nothing")
    left = next(outlived(machine.trace), None)
    judge(
        left is None,
        expected="a Read or Write mapping ends before the call that needed it returns; what lives longer is common",
        observed=""
        if left is None
        else f"{left.mapping.mapping} ({left.mapping.operation}, made at step "
        f"{left.mapping.step}) is live when {left.call.service} returns at step {left.call.step}",
        culprit="" if left is None else left.mapping.owner,
        steps=() if left is None else (left.mapping.step, left.call.step),
    )
