"""
A chart of memory exposure as SVG: which pages the host could read, over virtual time, and where a dump found a secret.

Virtual time is the step of the trace. A line is a range of pages with one history. Its state is drawn in three layers:
mapped (a device may use it), C-bit clear in the page tables, plain (its bytes lie there unencrypted, as the last write
to them left them). What an attacker's dump found is red and counted. Pages come from the trace alone, so memory
that the firmware left plain before the trace begins shows only when it is touched.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup

from sevconf.trace import Trace
from sevconf.trace import entries as e
from sevconf.vocabulary import PAGE_SIZE, CBit

#: The most lines that a chart has.
CAP = 36
_LEFT, _TOP, _ROW, _WIDTH = 190, 62, 18, 820
_ENDS = (e.Phase.HANDED_OFF, e.Phase.SERVICES_GONE)


@dataclass(slots=True)
class History:
    """What became of a range of pages: spans of steps by layer, and findings of dumps."""

    first: int
    pages: int
    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    leaks: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Change:
    """From this step on, a layer of a range of pages is on or off."""

    step: int
    layer: str
    first: int
    end: int
    on: bool
    who: str = ""


def _range(address: int, length: int) -> tuple[int, int]:
    return address // PAGE_SIZE, (address + max(length, 1) - 1) // PAGE_SIZE + 1


def _changes(trace: Trace, *, behind_iommu: bool) -> Iterator[_Change]:
    live: dict[str, e.MappingMade] = {}
    for entry in trace:
        match entry:
            case e.MappingMade():
                live[entry.mapping] = entry
                start = entry.host if behind_iommu else entry.device
                yield _Change(entry.step, "mapped", *_range(start, entry.length), on=True, who=entry.mapping)
            case e.MappingEnded():
                if made := live.pop(entry.mapping, None):
                    start = made.host if behind_iommu else made.device
                    yield _Change(entry.step, "mapped", *_range(start, made.length), on=False, who=entry.mapping)
            case e.CBitChanged():
                first = entry.gpa // PAGE_SIZE
                yield _Change(entry.step, "clear", first, first + entry.pages, on=entry.cbit is CBit.CLEAR)
            case e.GuestAccess() if entry.write:
                yield _Change(entry.step, "plain", *_range(entry.gpa, entry.length), on=entry.cbit is CBit.CLEAR)
            case e.Dma() if entry.write:
                address = _translated(entry, live.values()) if behind_iommu else entry.address
                if address is not None:
                    yield _Change(entry.step, "plain", *_range(address, entry.length), on=True)


def _translated(entry: e.Dma, live: Iterable[e.MappingMade]) -> int | None:
    for made in live:
        if made.device <= entry.address < made.device + made.length:
            return int(made.host + entry.address - made.device)
    return None


def histories(trace: Trace, *, behind_iommu: bool) -> tuple[History, ...]:
    """
    Return what became of the pages that a trace touches, by address; neighbours of one history are one range.

    `behind_iommu`: DeviceAddresses are translated, so that a mapping exposes its HostAddress.
    """
    changes = tuple(_changes(trace, behind_iommu=behind_iommu))
    found = [
        (entry.step, *_range(leak.gpa, leak.length), leak.length)
        for entry in trace.of(e.Dumped)
        if entry.attacker
        for leak in entry.findings
    ]
    edges = sorted({edge for c in changes for edge in (c.first, c.end)} | {edge for f in found for edge in f[1:3]})
    lines: list[History] = []
    for first, end in pairwise(edges):
        line = History(first, end - first)
        for layer in ("mapped", "clear", "plain"):
            touching = [c for c in changes if c.layer == layer and c.first <= first and end <= c.end]
            line.spans[layer] = _spans(touching, len(trace))
        line.leaks = [(step, length) for step, start, stop, length in found if start <= first and end <= stop]
        if not (any(line.spans.values()) or line.leaks):
            continue
        last = lines[-1] if lines else None
        if last and last.first + last.pages == first and (last.spans, last.leaks) == (line.spans, line.leaks):
            last.pages += line.pages
        else:
            lines.append(line)
    return tuple(lines)


def _spans(changes: list[_Change], end: int) -> list[tuple[int, int]]:
    """Return the spans of steps in which a layer was on; of mappings, as long as one of them is live."""
    spans, live, since = [], set[str](), 0
    for change in changes:
        was = bool(live)
        (live.add if change.on else live.discard)(change.who)
        if live and not was:
            since = change.step
        elif was and not live:
            spans.append((since, change.step))
    return [*spans, (since, end + 1)] if live else spans


def _shown(trace: Trace, *, behind_iommu: bool, encrypts: bool) -> tuple[tuple[History, ...], int]:
    """Return the lines that a chart shows and how many it leaves out: leaks first, then mappings, then the rest."""
    every = histories(trace, behind_iommu=behind_iommu)
    if not encrypts:  # everything lies plain there, so only what devices may use, or a dump found, tells anything
        every = tuple(line for line in every if line.leaks or line.spans["mapped"])
    ranked = sorted(every, key=lambda line: (not line.leaks, not line.spans["mapped"], not line.spans["clear"]))
    kept = ranked[:CAP]
    return tuple(sorted(kept, key=lambda line: line.first)), len(every) - len(kept)


def exposure(trace: Trace, kind: str, name: str) -> Markup:
    """Draw the chart for a machine of that kind; empty if the trace exposes no page."""
    encrypts = kind == "sev"
    lines, left_out = _shown(trace, behind_iommu=kind.startswith("vtd"), encrypts=encrypts)
    if not lines:
        return Markup()
    steps = len(trace) + 1
    bottom = _TOP + _ROW * len(lines)
    height = bottom + 40
    width = _LEFT + _WIDTH + 60

    def at(step: int) -> float:
        return round(_LEFT + _WIDTH * step / steps, 1)

    parts = [
        Markup('<svg class="drawing exposure" role="img" viewBox="0 0 {} {}" width="{}" height="{}">').format(
            width, height, width, height
        ),
        Markup("<title>{}</title><desc>{}</desc>").format(name, _told(lines)),
    ]
    for place, line in enumerate(lines):
        y = _TOP + _ROW * place
        parts.append(
            Markup('<text class="pages" x="{}" y="{}">{:#x}{}</text>').format(
                _LEFT - 8, y + 12, line.first * PAGE_SIZE, f" +{line.pages - 1}" if line.pages > 1 else ""
            )
        )
        parts.append(
            Markup('<line class="lane" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(_LEFT, y + 16, at(steps), y + 16)
        )
        for layer, top, high in (("mapped", 0, 4), ("clear", 4, 5), ("plain", 9, 6)):
            if layer == "mapped" or encrypts:
                parts += [
                    Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                        layer, at(start), y + top, max(1.5, round(at(end) - at(start), 1)), high
                    )
                    for start, end in line.spans[layer]
                ]
        for step in sorted({step for step, _ in line.leaks}):
            found = sum(length for when, length in line.leaks if when == step)
            parts.append(
                Markup(
                    '<g class="leak"><title>step {}: {} bytes of a secret found</title>'
                    '<rect x="{}" y="{}" width="10" height="15"/><text x="{}" y="{}">{} B</text></g>'
                ).format(step, found, at(step), y, at(step) + 13, y + 12, found)
            )
    parts += _marks(trace, at, bottom)
    note = f"; {left_out} more ranges left out" if left_out else ""
    parts.append(
        Markup('<text class="axis" x="{}" y="{}">virtual time: step 1 to {}{}</text></svg>').format(
            _LEFT, bottom + 30, len(trace), note
        )
    )
    return Markup("").join(parts)


def _marks(trace: Trace, at: Callable[[int], float], bottom: int) -> Iterator[Markup]:
    """Draw halt, teardown, hand-off and compromise as lines with names; of a kind in a row, only the first is named."""
    marks: list[tuple[int, str, str]] = []
    for entry in trace:
        match entry:
            case e.DeviceState() if not entry.running:
                marks.append((entry.step, "halt", "halt"))
            case e.MappingEnded():
                marks.append((entry.step, "teardown", "unmap"))
            case e.ExitPhase() if entry.phase is e.Phase.EXIT_GROUP:
                marks.append((entry.step, "exit", "exit"))
            case e.ExitPhase() if entry.phase in _ENDS:
                marks.append((entry.step, "handoff", "hand-off"))
            case e.Dumped() if entry.attacker:
                marks.append((entry.step, "compromise", "compromised"))
    level, before = 0, ""
    for step, kind, word in marks:
        x = at(step)
        yield Markup('<line class="when {}" x1="{}" y1="48" x2="{}" y2="{}"/>').format(kind, x, x, bottom)
        if kind != before:
            yield Markup('<text class="when" x="{}" y="{}">{}</text>').format(x, 14 + 14 * (level % 3), word)
            level += 1
        before = kind


def _told(lines: tuple[History, ...]) -> str:
    """Say in words what the chart shows."""
    leaks = sum(length for line in lines for _, length in line.leaks)
    open_ = [line for line in lines if line.spans["plain"] or line.spans["clear"]]
    pages = sum(line.pages for line in open_)
    found = f"an attacker's dump found {leaks} bytes of secrets" if leaks else "no attacker's dump found a secret"
    return f"{len(lines)} ranges of pages; {pages} pages were open to the host at some time; {found}."
