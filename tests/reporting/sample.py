"""A report with one of everything, for the tests of its readers."""

from sevconf.contract import Identity
from sevconf.reporting.record import BreachRecord, RowRecord
from sevconf.reporting.report import ClaimReport, Report, RuleReport
from sevconf.verdict import Verdict

BREACH = BreachRecord(
    rule="DRV-01",
    row="EVT-01.1{on=none}",
    expected="no DMA outside a mapping",
    observed="the disk read 0x1000 | after Unmap",
    culprit="driver:disk",
    trace=(">     7  TPL_APPLICATION device:disk reads",),
    consequences=("    9  TPL_APPLICATION device:disk reads again",),
)


def row(verdict: Verdict, rule: str = "EVT-01", number: int = 1, **fields: object) -> RowRecord:
    """Return a row of that verdict, with what such a row carries."""
    telling: dict[str, object] = {}
    if verdict is Verdict.NONCONFORMING:
        telling = {
            "expected": "events run in order",
            "observed": "A ran before B",
            "culprit": "core",
            "trace": (">     3  TPL_NOTIFY      core runs A",),
        }
    elif verdict is not Verdict.PASSED:
        telling = {"observed": f"because of {verdict}"}
    trace = "ab" * 32 if verdict in (Verdict.PASSED, Verdict.NONCONFORMING) else None
    return RowRecord(f"{rule}.{number}{{on=none}}", verdict, **{"trace_sha256": trace, **telling, **fields})  # type: ignore[arg-type]


def rule(
    name: str = "EVT-01",
    verdict: Verdict = Verdict.PASSED,
    *,
    apart: str = "",
    rows: tuple[RowRecord, ...] | None = None,
    breaches: tuple[BreachRecord, ...] = (),
) -> RuleReport:
    """Return a rule of that verdict, with one row of it."""
    folder = "drivers" if name.startswith("DRV") else "events"
    return RuleReport(
        id=name,
        name=f"{name} holds",
        file=f"{folder}/f.feature",
        party="core",
        basis="advisory" if apart else "uefi",
        claims=("T41",),
        since="2.9",
        limit=False,
        apart=apart,
        verdict=verdict,
        rows=rows if rows is not None else (row(verdict, name),),
        breaches=breaches,
    )


def claim(name: str, verdict: Verdict, *rules: str, reason: str = "") -> ClaimReport:
    """Return a claim."""
    return ClaimReport(name, f"{name} is so", verdict, rules, passed=0, rows=len(rules), reason=reason)


def report(*rules: RuleReport, claims: tuple[ClaimReport, ...] = (), selection: tuple[str, ...] = ()) -> Report:
    """Return a report of these rules."""
    return Report(
        suite_version="0.1.0",
        rule_set_version="0.1",
        target=Identity("ovmf", "firmware", "cd" * 32, "ovmf", "2022.11", (("qemu", "7.2"),)),
        revision="2.7",
        profile="ovmf-sev",
        seed=0,
        selection=selection,
        rules=rules,
        claims=claims,
        suite_sha256="ef" * 32,
    )


def everything() -> Report:
    """Return a report that has each verdict, a breach, an answer, and rules that stand apart."""
    verdicts = list(Verdict)[:7]
    return report(
        rule("DRV-01", Verdict.NONCONFORMING, rows=(row(Verdict.PASSED, "DRV-01"),), breaches=(BREACH,)),
        *(rule(f"EVT-{number:02}", verdict) for number, verdict in enumerate(verdicts, 1)),
        rule("EVT-20", Verdict.NONCONFORMING, apart="advisory"),
        rule(
            "EVT-21",
            Verdict.NOT_COUNTED,
            apart="unspecified",
            rows=(row(Verdict.NOT_COUNTED, "EVT-21", observed="", answer="yes, once"),),
        ),
        claims=(
            claim("T01", Verdict.NOT_IMPLEMENTED),
            claim("T14", Verdict.NOT_TESTABLE, reason="it rules the suite"),
            claim("T41", Verdict.ERROR, "EVT-01", "EVT-02"),
        ),
        selection=("DRV-01", "EVT-01"),
    )
