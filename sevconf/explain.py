"""
What `sevconf explain` tells of a rule: clause, source, how it is observed, what a violator looks like, how to mend it.

All of it is taken from where it stands already: the feature file, the monitors and the one-bug machines.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.claims import CLAIMS
from sevconf.faults import CATALOGUE
from sevconf.monitors import MONITORS
from sevconf.reporting.table import WIDTH, aligned
from sevconf.suite.catalogue import Rule, Scenario
from sevconf.vocabulary import Basis, Profile

_BASES = {
    Basis.UEFI: "the UEFI specification asks for it",
    Basis.BEYOND_UEFI: "encrypted guests need it; the UEFI specification does not ask for it",
    Basis.PROPOSAL: "proposed, and adopted by no specification",
    Basis.ADVISORY: "a specification recommends it: told, never counted",
    Basis.UNSPECIFIED: "specifications leave it open: answered, without a verdict",
}


@dataclass(frozen=True, slots=True)
class ScenarioTold:
    """One scenario; `text` is Gherkin, with the Background's sentences."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Violator:
    """A machine that breaks the rule; `clause` says what of the rule it breaks besides its own, if that is another."""

    name: str
    bug: str
    clause: str
    upstream: str
    fixed_in: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of one rule, in words."""

    rule: str
    clause: str
    source: str
    party: str
    basis: str
    profiles: tuple[str, ...]
    since: str
    kinds: tuple[str, ...]
    needs: tuple[str, ...]
    claims: tuple[tuple[str, str], ...]
    file: str
    line: int
    scenarios: tuple[ScenarioTold, ...]
    monitors: tuple[str, ...]
    violators: tuple[Violator, ...]
    mend: str


def explained(rule: Rule) -> Explanation:
    """Gather what is known of a rule."""
    return Explanation(
        rule=rule.id,
        clause=rule.name,
        source=" ".join(rule.source.removeprefix("Source:").split()),
        party=rule.party.value,
        basis=f"{rule.basis.value}: {_BASES[rule.basis]}",
        profiles=tuple(profile.value for profile in Profile if profile.counts(rule.basis)),
        since=rule.since.value if rule.since else "",
        kinds=tuple(kind.value for kind in rule.kinds),
        needs=tuple(sorted(capability.value for capability in rule.needs)),
        claims=tuple((claim, CLAIMS[claim]) for claim in rule.claims),
        file=f"features/{rule.file}",
        line=rule.line,
        scenarios=tuple(ScenarioTold(s.id, s.title, "\n".join(_gherkin(s))) for s in rule.scenarios),
        monitors=tuple(str(m.__doc__).strip().splitlines()[0] for m in MONITORS if m.rule == rule.id),
        violators=tuple(_violators(rule.id)),
        mend=rule.mend,
    )


def _violators(rule: str) -> Iterator[Violator]:
    """Yield the machines that the rule must catch, first those whose own rule it is."""
    for fault in CATALOGUE.values():
        if rule in fault.catches:
            yield Violator(fault.name, fault.bug, "", fault.upstream, fault.fixed_in)
    for fault in CATALOGUE.values():
        if rule in dict(fault.collateral):
            yield Violator(fault.name, fault.bug, dict(fault.collateral)[rule], fault.upstream, fault.fixed_in)


def _gherkin(scenario: Scenario) -> Iterator[str]:
    yield f"Scenario{' Outline' if scenario.outline else ''}: {scenario.title}"
    before = ""
    for step in scenario.steps:
        yield f"  {'And' if step.type == before else step.type.capitalize()} {step.text}"
        before = step.type
    if scenario.outline:
        yield ""
        yield "  Examples:"
        columns = [name for name, _ in scenario.examples[0]]
        lines = [columns, *([value for _, value in row] for row in scenario.examples)]
        widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
        for line in lines:
            yield f"    | {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"


def told(found: Explanation) -> str:
    """Return an explanation as text for a terminal."""
    return "\n".join(line.rstrip() for line in _lines(found)) + "\n"


def _lines(found: Explanation) -> Iterator[str]:
    yield from textwrap.wrap(f"{found.rule}: {found.clause}", WIDTH)
    yield ""
    yield from aligned(
        (
            ("source", found.source),
            ("judges", found.party),
            ("basis", found.basis),
            ("counts in", ", ".join(found.profiles) or "no profile"),
            *((("since", f"UEFI {found.since}"),) if found.since else ()),
            ("machines", ", ".join(found.kinds)),
            ("needs", ", ".join(found.needs) or "nothing"),
            ("claims", "\n".join(f"{claim}: {sentence}" for claim, sentence in found.claims)),
            ("stands in", f"{found.file}:{found.line}"),
        )
    )
    yield from ("", "How it is observed")
    for scenario in found.scenarios:
        yield from ("", f"  {scenario.id}")
        yield from textwrap.indent(scenario.text, "  ").splitlines()
    yield ""
    for monitor in found.monitors:
        yield f"  Watched in every run for: {monitor}"
    if not found.monitors:
        yield "  No monitor watches it: only its own scenarios do."
    yield from ("", "What a violator looks like")
    yield from aligned(tuple((v.name, _violator(v)) for v in found.violators), "  ")
    if not found.violators:
        yield "  None: no machine can be wrong about it."
    yield from ("", "How to mend it")
    yield from textwrap.wrap(found.mend, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _violator(violator: Violator) -> str:
    lines = [violator.bug]
    if violator.clause:
        lines.append(f"here: {violator.clause}")
    if violator.upstream:
        lines.append(
            f"upstream: {violator.upstream}; {f'fixed in {violator.fixed_in}' if violator.fixed_in else 'open'}"
        )
    return "\n".join(lines)
