"""What `sevconf list` lists: headers and rows, where a cell is a word or a tuple of words."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from sevconf.claims import CLAIMS
from sevconf.suite import Catalogue, load
from sevconf.suite.locate import suite_root

Cell: TypeAlias = str | int | tuple[str, ...]
Listing: TypeAlias = tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...]]


def _catalogue() -> Catalogue:
    return load(suite_root())


def rules() -> Listing:
    """List every rule."""
    rows = tuple(
        (
            rule.id,
            rule.name,
            rule.party.value,
            rule.basis.value,
            rule.claims,
            tuple(kind.value for kind in rule.kinds),
            rule.since.value if rule.since else "",
            sum(len(scenario.rows) for scenario in rule.scenarios),
            rule.file,
        )
        for rule in _catalogue().rules.values()
    )
    return ("rule", "sentence", "judges", "basis", "claims", "on", "since", "scenarios", "file"), rows


def claims() -> Listing:
    """List every claim with the rules that serve it."""
    every = _catalogue().rules.values()
    rows = tuple(
        (claim, sentence, tuple(rule.id for rule in every if claim in rule.claims))
        for claim, sentence in CLAIMS.items()
    )
    return ("claim", "sentence", "rules"), rows


def scenarios() -> Listing:
    """List every row, which is a scenario on one machine kind with one line of its Examples."""
    catalogue = _catalogue()
    rows = tuple(
        (row.id, catalogue.scenarios[row.scenario].title, row.rule, row.kind.value) for row in catalogue.rows.values()
    )
    return ("id", "title", "rule", "on"), rows


def targets() -> Listing:
    """List the targets that have a name."""
    from sevconf.subjects.registry import names  # noqa: PLC0415 -- only this list needs them

    return ("target", "is"), tuple(names())


def faults() -> Listing:
    """List the machines with one bug, and the rules that must catch each."""
    from sevconf.faults import CATALOGUE  # noqa: PLC0415 -- only this list needs them

    rows = tuple(
        (
            fault.name,
            fault.bug,
            fault.party.value,
            tuple(fault.catches),
            tuple(f"{rule} ({clause})" for rule, clause in fault.collateral),
            fault.upstream,
            fault.fixed_in,
        )
        for _, fault in sorted(CATALOGUE.items())
    )
    return ("fault", "bug", "party", "caught by", "also", "upstream", "fixed in"), rows


def injections() -> Listing:
    """List the faults that can be put into a binary from outside, and the rules that newly fail."""
    from sevconf.subjects.binary.inject.table import INJECTIONS  # noqa: PLC0415 -- only this list needs them

    rows = tuple((fault.name, fault.bug, fault.party.value, fault.catches) for _, fault in sorted(INJECTIONS.items()))
    return ("fault to --inject", "bug", "party", "caught by"), rows


def images(file: Path) -> Listing:
    """List the UEFI images of a file."""
    from sevconf.subjects.binary.images.files import images_of  # noqa: PLC0415 -- only this list needs it

    rows = tuple(
        (found.number, found.name, found.guid, found.form, found.machine, found.subsystem, found.size)
        for found in images_of(file)
    )
    return ("#", "name", "guid", "form", "machine", "subsystem", "bytes"), rows


def devices() -> Listing:
    """List the devices of QEMU that a driver may be tried on."""
    from sevconf.subjects.qemu.models import BY_CLASS, MODELS, PREFIX  # noqa: PLC0415 -- only this list needs them

    rows = tuple(
        (
            PREFIX + model.name,
            model.what,
            f"{model.vendor:04x}:{model.device:04x}",
            f"{model.class_code:06x}",
            model.behind.value,
            tuple(model.allowed),
            "yes" if BY_CLASS.get(model.class_code) == model.name else "",
        )
        for model in MODELS.values()
    )
    return ("device", "is", "ids", "class", "behind it", "options", "default of its class"), rows


LISTS: dict[str, Callable[[], Listing]] = {
    "rules": rules,
    "claims": claims,
    "scenarios": scenarios,
    "targets": targets,
    "faults": faults,
    "devices": devices,
}
#: Sections that stand below a list, in text and in JSON.
BELOW: dict[str, tuple[str, Callable[[], Listing]]] = {"faults": ("faults to be injected into a binary", injections)}
