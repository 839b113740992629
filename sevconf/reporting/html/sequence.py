"""
A sequence diagram of one trace as SVG: who did what to whom, downwards, with the task priority level beside it.

A trace has hundreds of entries, so the diagram shows at most `CAP` of them: first those that prove the finding, then
mappings, halting, phases of the exit and dumps, then notifications, then calls. What is left out shows as a gap.
"""

from collections.abc import Iterator

from markupsafe import Markup

from sevconf.trace import Trace, describe, party_of
from sevconf.trace import entries as e
from sevconf.vocabulary import Tpl

#: The most entries that a diagram shows.
CAP = 90
_LANES = ("scenario", "os-loader", "os", "driver", "core", "pci", "iommu-driver", "device", "host")
_NAMES = {"os-loader": "OS loader", "os": "OS", "pci": "PCI", "iommu-driver": "IOMMU", "host": "hypervisor"}
_ROW, _TOP, _LANE, _TPL, _LEVEL = 20, 46, 92, 78, 18
_WORDS = 96
_WEIGHTY = (e.ExitPhase, e.MappingMade, e.MappingEnded, e.DeviceState, e.Dumped, e.IommuFault, e.IommuState)
_NOTABLE = (e.NotificationBegan, e.NotificationEnded, e.EventQueued, e.HostAct, e.SecretBorn, e.CBitChanged, e.Dma)
#: Who offers a protocol; boot services, which have no prefix, are the core's.
_PROTOCOLS = {
    "PciIo": "pci",
    "IoMmu": "iommu-driver",
    "DriverBinding": "driver",
    "BlockIo": "driver",
    **dict.fromkeys(("SimpleTextIn", "SimpleTextInEx", "SimpleTextInput", "SimpleNetwork"), "driver"),
}


def sequence(trace: Trace, proof: frozenset[int], name: str) -> Markup:
    """Draw a trace; `proof` are the steps that prove the finding, `name` is what a screen reader calls the drawing."""
    shown = chosen(trace, proof)
    lanes = _lanes(shown)
    x = {lane: 4 * _LEVEL + _TPL + _LANE * place for place, lane in enumerate(lanes)}
    text_x = 4 * _LEVEL + _TPL + _LANE * len(lanes) - 20
    height = _TOP + _ROW * len(shown) + 10
    width = text_x + 7 * _WORDS
    parts = [
        Markup('<svg class="drawing sequence" role="img" viewBox="0 0 {} {}" width="{}" height="{}">').format(
            width, height, width, height
        ),
        Markup("<title>{}</title>").format(name),
    ]
    parts += _levels(shown, height)
    for lane, at in x.items():
        parts.append(
            Markup(
                '<text class="head" x="{}" y="24">{}</text><line class="lane" x1="{}" y1="32" x2="{}" y2="{}"/>'
            ).format(at, _NAMES.get(lane, lane), at, at, height)
        )
    before = 0
    for place, entry in enumerate(shown):
        y = _TOP + _ROW * place
        if entry.step > before + 1:
            parts.append(Markup('<line class="gap" x1="0" y1="{}" x2="{}" y2="{}"/>').format(y - 10, width, y - 10))
        before = entry.step
        parts += _event(entry, x, y, text_x, marked=entry.step in proof)
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def chosen(trace: Trace, proof: frozenset[int]) -> tuple[e.Entry, ...]:
    """Return the entries that a diagram shows, in order."""
    last = max(proof, default=len(trace))
    ranked = sorted(trace, key=lambda entry: (_weight(entry, proof), abs(entry.step - last)))
    return tuple(sorted(ranked[:CAP], key=lambda entry: entry.step))


def _weight(entry: e.Entry, proof: frozenset[int]) -> int:
    if entry.step in proof:
        return 0
    for weight, kinds in enumerate((_WEIGHTY, _NOTABLE, (e.ServiceCall,)), 1):
        if isinstance(entry, kinds):
            return weight
    return 4


def _lanes(shown: tuple[e.Entry, ...]) -> tuple[str, ...]:
    used = {party_of(entry.actor) for entry in shown} | {_whom(entry) for entry in shown}
    others = sorted(used - set(_LANES) - {""})
    return (*(lane for lane in _LANES if lane in used), *others)


def _whom(entry: e.Entry) -> str:
    """Tell the lane that an act is addressed to, or nothing."""
    match entry:
        case e.ServiceCall():
            return _PROTOCOLS.get(entry.service.rpartition(".")[0], "core")
        case e.DeviceRegister() | e.IommuFault() | e.MappingMade():
            return "device"
        case e.Dma():
            return "iommu-driver"
        case e.EventQueued():
            return party_of(entry.actor)
        case _:
            return ""


def _levels(shown: tuple[e.Entry, ...], height: int) -> Iterator[Markup]:
    """Draw the four levels as narrow lanes, and a line that steps from one to another."""
    at = {tpl: 12 + place * _LEVEL for place, tpl in enumerate(Tpl)}
    for tpl, x in at.items():
        yield Markup('<text class="tpl" x="{}" y="24">{}<title>{}</title></text>').format(x, tpl.name[0], str(tpl))
        yield Markup('<line class="tpl" x1="{}" y1="32" x2="{}" y2="{}"/>').format(x, x, height)
    points = []
    for place, entry in enumerate(shown):
        y = _TOP + _ROW * place
        points += [f"{at[entry.tpl]},{y - 10}", f"{at[entry.tpl]},{y + 10}"]
    yield Markup('<polyline class="level" points="{}"/>').format(" ".join(points))


def _event(entry: e.Entry, x: dict[str, int], y: int, text_x: int, *, marked: bool) -> Iterator[Markup]:
    here, there = x[party_of(entry.actor)], x.get(_whom(entry))
    words = describe(entry)
    kind = " marked" if marked else ""
    yield Markup('<g class="event{}"><title>step {}: {}</title>').format(kind, entry.step, words)
    if marked:
        yield Markup('<rect class="mark" x="74" y="{}" width="{}" height="{}"/>').format(y - 9, text_x + 700, _ROW - 2)
    yield Markup('<text class="step" x="{}" y="{}">{}</text>').format(4 * _LEVEL + 30, y + 4, entry.step)
    if there is not None and there != here:
        tip = 5 if there > here else -5
        yield Markup('<line class="arrow" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(here, y, there - tip, y)
        yield Markup('<path class="tip" d="M{} {}l{} -4v8z"/>').format(there, y, -2 * tip)
    yield Markup('<circle cx="{}" cy="{}" r="4"/>').format(here, y)
    cut = words if len(words) <= _WORDS else f"{words[: _WORDS - 1]}…"
    yield Markup('<text class="words" x="{}" y="{}">{}{}</text></g>').format(text_x, y + 4, "▶ " if marked else "", cut)
