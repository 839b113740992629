"""
The command line; the only place that ends the process.

Exit codes: 0 conforms, 1 does not, 2 the command line is wrong, 3 an error of ours, 4 conformance was not shown. What a
command needs is imported when it runs, so that `--help` is quick.
"""
# ruff: noqa: PLC0415 -- see above

import dataclasses
import difflib
import functools
import json
import sys
import traceback
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sevconf import __version__
from sevconf.cli_comfort import COMMANDS as COMFORT
from sevconf.cli_comfort import make_folder, rules_like, show, targets_like
from sevconf.cli_explore import explore
from sevconf.cli_reports import COMMANDS as REPORTS
from sevconf.cli_reports import today
from sevconf.errors import ForeignFailure, Hung, RecordError, SevconfError, UsageError
from sevconf.verdict import ExitCode
from sevconf.vocabulary import Profile

if TYPE_CHECKING:
    from sevconf.contract import Target
    from sevconf.judge import Setting
    from sevconf.run import Order, Progress
    from sevconf.subjects.choices import Choices
    from sevconf.suite import Catalogue


class _Commands(click.Group):
    """Commands whose errors become one message and the exit code that fits."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; click's own errors pass."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (UsageError, RecordError) as error:
            ctx.exit(_complain("error", error, ExitCode.USAGE))
        except SevconfError as error:
            ctx.exit(_complain("error", error, ExitCode.ERROR))
        except ForeignFailure as error:
            ctx.exit(_complain("target failed", error, ExitCode.NONCONFORMING))
        except KeyboardInterrupt:
            ctx.exit(_complain("error", "stopped before the end: there is no report", ExitCode.ERROR))
        except Exception:  # noqa: BLE001 -- a bug of ours must not look like a verdict
            click.echo(traceback.format_exc(), err=True)
            ctx.exit(_complain("error", "this is a bug in sevconf: please report the lines above", ExitCode.ERROR))


def _complain(word: str, error: object, code: int) -> int:
    click.echo(f"{word}: {error}", err=True)
    return code


_TARGET = click.option(
    "--target", "-t", default="reference", show_default=True, shell_complete=targets_like, help="What to judge."
)

#: What a command line may choose of a target beside its name.
_CHOICES = (
    click.option(
        "--device",
        default="",
        metavar="D",
        help="What a driver of kind device is tried on: qemu:MODEL[,option=value], FILE.py:CLASS or MODULE:CLASS.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="What foreign code may take a scenario.  [default: 10]",
    ),
    click.option("--iommu", default="", metavar="IMAGE", help="Put this binary IOMMU driver beneath the target."),
    click.option("--era", default="edk2-202211", show_default=True, help="Firmware era of a binary's platform."),
    click.option("--with", "beneath", multiple=True, metavar="IMAGE", help="Start this image before the binary."),
    click.option("--pcd", multiple=True, metavar="TOKEN=VALUE", help="Value of a PCD in a binary's build."),
    click.option("--inject", default="", metavar="FAULT", help="Put this fault into the binary, from outside."),
)


def _choices(command: Any) -> Any:
    """Add the options that choose something of a target, and hand them on as one value."""
    from sevconf.subjects.choices import Choices

    @functools.wraps(command)
    def chosen(*given: Any, **options: Any) -> Any:
        choices = Choices(**{field.name: options.pop(field.name) for field in dataclasses.fields(Choices)})
        return command(*given, choices=choices, **options)

    for option in reversed(_CHOICES):
        chosen = option(chosen)
    return chosen


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sevconf")
def main() -> None:
    """Judge UEFI cores, IOMMU drivers and PCI drivers for AMD SEV guests, rule by rule and with evidence."""


@main.command()
@_TARGET
@_choices
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    default=Profile.OVMF_SEV.value,
    show_default=True,
    help="Whose rules count.",
)
@click.option(
    "--rule", "rules", multiple=True, metavar="ID", shell_complete=rules_like, help="Run this rule only; repeatable."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all randomness.")
@click.option("--report-dir", type=click.Path(path_type=Path, file_okay=False), help="Write the report there.")
@click.option("--traces", is_flag=True, help="Keep every trace in the report's folder, not only failures'.")
@click.option(
    "--deviations",
    "deviations_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file of failures that are known and do not count; see `sevconf deviations`.",
)
@click.option("-n", "workers", type=click.IntRange(min=0), default=0, help="Worker processes; 0 is none but this one.")
@click.option("--json", "as_json", is_flag=True, help="Print report.json instead of tables.")
@click.option("--quiet", "-q", is_flag=True, help="Print one line alone: what it comes to.")
@click.option("--verbose", "-v", is_flag=True, help="Tell each row on stderr when it is through.")
@click.pass_context
def run(  # noqa: PLR0917 -- click passes every option by name
    ctx: click.Context,
    target: str,
    profile: str,
    rules: tuple[str, ...],
    seed: int,
    report_dir: Path | None,
    traces: bool,
    deviations_file: Path | None,
    workers: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    choices: "Choices",
) -> None:
    """Run the rules on a target and say what it comes to."""
    from sevconf.deviations import load as load_deviations
    from sevconf.judge import Setting
    from sevconf.reporting.files import TRACES, to_json
    from sevconf.reporting.sections import outcome
    from sevconf.reporting.table import table
    from sevconf.run import Order
    from sevconf.subjects.registry import resolve
    from sevconf.suite import load
    from sevconf.suite.locate import suite_root

    if traces and report_dir is None:
        raise UsageError("expected --report-dir with --traces", hint="traces are kept in the report's folder")
    catalogue = load(suite_root())
    chosen = _chosen(catalogue, rules)
    make_folder(report_dir)
    deviations = load_deviations(deviations_file) if deviations_file else ()
    judged = resolve(target, choices)
    smoked = True
    try:
        try:
            _smoke(judged)
        except ForeignFailure as failure:
            # The rules say more on it; but such a target cannot conform.
            smoked = False
            _complain("smoke test failed", failure, ExitCode.NONCONFORMING)
            if isinstance(failure, Hung):
                choices = replace(choices, timeout=_shorter(choices.timeout))
                judged.close()
                judged = resolve(target, choices)
        folder = report_dir / TRACES if report_dir else None
        setting = Setting(catalogue, judged, Profile(profile), seed, chosen, folder, traces)
        order = Order(target, workers, report_dir, choices, deviations, today())
        report = _run(setting, order, quiet=quiet, verbose=verbose)
    finally:
        judged.close()
    if as_json:
        click.echo(to_json(report), nl=False)
    else:
        show(f"{outcome(report)}\n" if quiet else table(report))
    code = report.exit_code()
    if not smoked and code != ExitCode.ERROR:
        code = ExitCode.NONCONFORMING
        click.echo(f"{target} does not conform all the same: its smoke test failed (exit code {code})", err=True)
    ctx.exit(code)


def _shorter(timeout: float | None) -> float:
    """
    Return the limit for what hung in the smoke test: a tenth, and a second at least.

    It does not conform, whatever the rules say; so no verdict on the whole rests on the shorter limit, and a run of
    hundreds of rows ends.
    """
    from sevconf.subjects.python.limits import Limits

    usual = Limits().wall if timeout is None else timeout
    shorter = min(usual, max(usual / 10, 1.0))
    click.echo(f"as it hung there, the rules give it {shorter:g} s a scenario, not {usual:g} s", err=True)
    return shorter


class _Teller:
    """Tells rows one by one, in place of a bar."""

    def update(self, n_steps: int, current_item: Any = None) -> None:  # noqa: ARG002 -- as a bar of click's is called
        """Tell a row that is through."""
        if current_item is not None:
            click.echo(current_item, err=True)


def _run(setting: "Setting", order: "Order", *, quiet: bool, verbose: bool) -> Any:
    from sevconf.run import run as run_all

    bar = nullcontext(_Teller() if verbose else None) if quiet or verbose else _bar(len(setting.rows), order.target)
    with bar as progress:
        return run_all(setting, order, progress)


def _bar(length: int, label: str) -> "AbstractContextManager[Progress | None]":
    if not sys.stderr.isatty():
        return nullcontext()
    return click.progressbar(length=length, label=label, show_pos=True, file=sys.stderr)


def _chosen(catalogue: "Catalogue", rules: Iterable[str]) -> frozenset[str]:
    for rule in rules:
        if rule not in catalogue.rules:
            near = difflib.get_close_matches(rule.upper(), catalogue.rules, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "`sevconf list rules` shows them"
            raise UsageError(f"expected the id of a rule, not {rule!r}", hint=hint)
    return frozenset(rules or catalogue.rules)


def _smoke(target: "Target") -> None:
    from sevconf.subjects.smoke import smoke as smoke_test

    try:
        smoke_test(target)
    except SevconfError as error:
        message = f"smoke test of {target.identity.name}: {error.message}"
        raise SevconfError(message, hint=error.hint) from error


@main.command()
@_TARGET
@_choices
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a sentence.")
def smoke(target: str, choices: "Choices", as_json: bool) -> None:
    """Show that a target can be driven at all, before any rule is judged on it."""
    from sevconf.subjects.registry import resolve

    judged = resolve(target, choices)
    try:
        _smoke(judged)
    finally:
        judged.close()
    click.echo(json.dumps({"target": target, "passed": True}) if as_json else f"{target}: the smoke test passed")


@main.command()
@click.option("--core", "cores", multiple=True, metavar="T", help="A real core to hear; default: ovmf and u-boot.")
@click.option("--report-dir", type=click.Path(path_type=Path, file_okay=False), required=True, help="Write it there.")
@click.option("--everything", is_flag=True, help="Tell what is not public yet, too; not for committing.")
@click.pass_context
def jury(ctx: click.Context, cores: tuple[str, ...], report_dir: Path, everything: bool) -> None:
    """Set the reference and real cores side by side, rule by rule; exit code 1 if a difference is unexplained."""
    from sevconf.jurors import CORES, assemble

    make_folder(report_dir)
    found = assemble(cores or CORES, report_dir, everything=everything)
    for line in found.unexplained:
        click.echo(f"unexplained: {line}", err=True)
    click.echo(f"{report_dir}: {len(found.rules)} rules, {len(found.findings)} known deviations of rows")
    ctx.exit(ExitCode.NONCONFORMING if found.unexplained else ExitCode.CONFORMING)


@main.command()
@click.option("--core", default="ovmf", show_default=True, metavar="T", help="Whose drivers.")
@click.option("--report-dir", type=click.Path(path_type=Path, file_okay=False), required=True, help="Write it there.")
@click.option("--everything", is_flag=True, help="Tell what is not public yet, too; not for committing.")
def drivers(core: str, report_dir: Path, everything: bool) -> None:
    """Look from outside at what a core's own drivers do to QEMU's devices at ExitBootServices."""
    from sevconf.jurors import watch_drivers

    make_folder(report_dir)
    for driver in watch_drivers(core, report_dir, everything=everything):
        click.echo(f"{driver.driver}: {driver.at_exit}; {driver.state}")


@main.command()
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Judge by this rule only; repeatable.")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="Try this fault only; repeatable.")
@click.option("--near", is_flag=True, help="Judge each fault only by the files of the rules that it breaks.")
@click.option("--report-dir", type=click.Path(path_type=Path, file_okay=False), help="Write the matrix there.")
@click.option("--against", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Say what differs.")
@click.option("--resume", type=click.Path(path_type=Path, dir_okay=False), help="Keep findings there; go on from them.")
@click.option("-n", "workers", type=click.IntRange(min=0), default=0, help="Worker processes; 0 is none but this one.")
@click.pass_context
def sensitivity(  # noqa: PLR0917 -- click passes every option by name
    ctx: click.Context,
    rules: tuple[str, ...],
    faults: tuple[str, ...],
    near: bool,
    report_dir: Path | None,
    against: Path | None,
    resume: Path | None,
    workers: int,
) -> None:
    """Try every machine with one bug, and say which rules catch it; exit code 1 if it is not as it should be."""
    from sevconf.faults import CATALOGUE
    from sevconf.sensitivity.files import differences, write_all
    from sevconf.sensitivity.matrix import matrix
    from sevconf.sensitivity.pages import summary
    from sevconf.sensitivity.work import findings, jobs
    from sevconf.suite import load
    from sevconf.suite.locate import suite_root

    catalogue = load(suite_root())
    chosen = _chosen(catalogue, rules)
    for name in faults:
        if name not in CATALOGUE:
            near_by = difflib.get_close_matches(name, CATALOGUE, cutoff=0.5)
            hint = f"did you mean {' or '.join(near_by)}?" if near_by else "`sevconf list faults` shows them"
            raise UsageError(f"expected the name of a fault, not {name!r}", hint=hint)
    make_folder(report_dir)
    make_folder(resume.parent if resume is not None else None)
    work = jobs(catalogue, chosen, faults or CATALOGUE, near=near)
    if faults:
        chosen &= {rule for name in faults for rule in CATALOGUE[name].declared}
    with _bar(len(work), "faults") as progress:
        found = matrix(
            catalogue,
            chosen,
            findings(work, workers, resume, lambda: progress.update(1) if progress else None),
            "the rules in the files of those that it breaks" if near else "every rule on its party",
        )
    if report_dir is not None:
        write_all(found, report_dir)
    click.echo(summary(found), nl=False)
    other = tuple(differences(found, against, whole=not rules and not faults)) if against is not None else ()
    for line in other:
        click.echo(f"not as in {against}: {line}")
    ctx.exit(ExitCode.CONFORMING if found.holds and not other else ExitCode.NONCONFORMING)


@main.command(name="list")
@click.argument("what", type=click.Choice(["rules", "claims", "targets", "scenarios", "faults", "devices", "images"]))
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_(what: str, file: Path | None, as_json: bool) -> None:
    """List what there is; `images FILE` lists the UEFI images of a file."""
    from sevconf.listing import BELOW, LISTS, images
    from sevconf.reporting.sections import Section
    from sevconf.reporting.table import grid

    if (what == "images") != (file is not None):
        raise UsageError("expected a file with `list images`, and with no other list")
    lists = [(what, LISTS[what]() if file is None else images(file))]
    if what in BELOW:
        title, more = BELOW[what]
        lists.append((title, more()))
    if as_json:
        objects = [dict(zip(headers, row, strict=True)) for _, (headers, rows) in lists for row in rows]
        click.echo(json.dumps(objects, indent=1, ensure_ascii=False))
        return
    for title, (headers, rows) in lists:
        cells = tuple(tuple(" ".join(cell) if isinstance(cell, tuple) else str(cell) for cell in row) for row in rows)
        click.echo(grid(Section(title, headers, cells)))


@main.command()
@click.argument("rule", shell_complete=rules_like)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def explain(rule: str, as_json: bool) -> None:
    """Say all that is known of one rule: its clause, how it is observed, what breaks it, how to mend that."""
    from sevconf.explain import explained, told
    from sevconf.suite import load
    from sevconf.suite.locate import suite_root

    catalogue = load(suite_root())
    _chosen(catalogue, (rule,))
    found = explained(catalogue.rules[rule])
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), indent=1, ensure_ascii=False))
    else:
        click.echo(told(found), nl=False)


for _command in (*REPORTS, *COMFORT, explore):
    main.add_command(_command)
