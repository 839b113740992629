"""Entries in words: one line each, for proofs, excerpts and progress."""

from collections.abc import Iterable

from sevconf.trace import entries as e
from sevconf.trace.log import Trace
from sevconf.vocabulary import EVENT_GROUPS


def _fields(pairs: e.Fields) -> str:
    return ", ".join(f"{name}={value:#x}" if type(value) is int else f"{name}={value}" for name, value in pairs)


def _group(group: str | None) -> str:
    return "" if group is None else f" of group {EVENT_GROUPS.get(group, group)}"


def _access(write: bool, length: int, place: str, address: int) -> str:
    return f"{'writes' if write else 'reads'} {length} bytes at {place} {address:#x}"


def _found(findings: tuple[e.Finding, ...]) -> str:
    named = "; ".join(f"{f.length} bytes of {f.secret} at {f.gpa:#x}" for f in findings[:4]) or "no secret"
    return f"{named} and {len(findings) - 4} more" if len(findings) > 4 else named


def describe(entry: e.Entry) -> str:
    """Say in one line what happened, with the actor but without the step."""
    match entry:
        case e.ServiceCall():
            what = f"calls {entry.service}({_fields(entry.arguments)})"
        case e.ServiceReturn():
            status = "" if entry.status is None else f" {entry.status}"
            results = f" ({_fields(entry.results)})" if entry.results else ""
            what = f"{entry.service} of step {entry.call} returns{status}{results}"
        case e.EventCreated():
            level = "without notification" if entry.notify_tpl is None else f"with notification at {entry.notify_tpl}"
            what = f"owns new event {entry.event}, type {entry.type:#x}, {level}{_group(entry.group)}"
        case e.EventQueued():
            what = f"has {entry.event} queued at {entry.notify_tpl}"
        case e.EventClosed():
            what = f"closes {entry.event}{', which was queued' if entry.was_queued else ''}"
        case e.NotificationBegan():
            what = f"runs the notification function of {entry.event}{_group(entry.group)}"
        case e.NotificationEnded():
            what = f"returns from the notification function of {entry.event}"
        case e.ProcedureBegan():
            what = f"runs a procedure on application processor {entry.processor}"
        case e.MapChanged():
            what = f"turns {entry.pages} pages at {entry.start:#x} into {entry.type.name}; MapKey is now {entry.key:#x}"
        case e.ExitPhase():
            what = entry.phase.value if entry.status is None else f"{entry.phase.value} {entry.status}"
        case e.MappingMade():
            what = (
                f"has mapping {entry.mapping} live: {entry.operation} of {entry.length} bytes for {entry.bus_master}, "
                f"HostAddress {entry.host:#x}, DeviceAddress {entry.device:#x}, asked for by {entry.owner}"
            )
        case e.MappingEnded():
            what = f"ends mapping {entry.mapping}"
        case e.CBitChanged():
            what = f"makes the C-bit {entry.cbit.value} on {entry.pages} pages at Gva {entry.gva:#x}"
        case e.InstructionAccess():
            access = _access(entry.write, entry.length, "Gva", entry.gva)
            what = f"{access} with the C-bit {entry.cbit.value}, first at {entry.at}"
        case e.GuestAccess():
            what = f"{_access(entry.write, entry.length, 'Gva', entry.gva)} with the C-bit {entry.cbit.value}"
        case e.Dma():
            what = _access(entry.write, entry.length, "DeviceAddress", entry.address)
        case e.IommuFault():
            why = "" if entry.reason is None else f" ({entry.reason.name}, source id {entry.source:#06x})"
            what = f"faults: {entry.device} {_access(entry.write, entry.length, 'DeviceAddress', entry.address)}{why}"
        case e.IommuState():
            state = f"on, by the tables at {entry.root:#x}" if entry.translating else "off"
            what = f"turns the IOMMU's translation {state}"
        case e.IommuCommand():
            what = f"writes {entry.command:#010x} to the IOMMU's command register, whose status is {entry.status:#010x}"
        case e.DeviceRegister():
            act = f"writes {entry.value:#x} to" if entry.write else f"reads {entry.value:#x} from"
            what = f"{act} register {entry.register} of {entry.device}"
        case e.DeviceState():
            what = "runs" if entry.running else "is halted"
        case e.HostAct():
            what = entry.what
        case e.SecretBorn():
            what = f"makes the secret {entry.secret} of {entry.length} bytes"
        case e.Dumped():
            found = _found(entry.findings)
            what = f"{'compromised: ' if entry.attacker else ''}dumps {entry.pages} pages, finds {found}"
        case e.Exposed():
            what = f"shows an attacker, from here on, {_found(entry.findings)}"
        case _:
            what = type(entry).__name__
    return f"{entry.actor} {what}"


def excerpt(trace: Trace, steps: Iterable[int]) -> tuple[str, ...]:
    """Return the named steps as numbered lines, in the order of the trace."""
    chosen = sorted({step for step in steps if 1 <= step <= len(trace)})
    return tuple(f"{step:>5}  {trace.at(step).tpl!s:<15} {describe(trace.at(step))}" for step in chosen)
