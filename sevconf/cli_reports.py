"""The commands that read saved reports: print them again, compare them, hold them against a baseline or deviations."""
# ruff: noqa: PLC0415 -- as in `cli`, what a command needs is imported when it runs

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sevconf.cli_comfort import show
from sevconf.verdict import ExitCode

if TYPE_CHECKING:
    from sevconf.suite import Catalogue

_SAVED = click.Path(path_type=Path, exists=True)
#: How long a drafted deviation holds.
_DAYS = 90


def today() -> date:
    """Return the day by which deviations expire."""
    return datetime.now(UTC).date()


@click.group()
def deviations() -> None:
    """Write and check deviations: failures that you know of and bear until a date."""


@deviations.command()
@click.argument("saved", type=_SAVED)
@click.option("--reason", default="", help="Why they are borne; left empty, you have to fill it in.")
@click.option("--link", default="", help="Where they are followed up; left empty, you have to fill it in.")
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d"]),
    help=f"The last day on which they hold; {_DAYS} days from today if not given.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, not to stdout.")
def init(saved: Path, reason: str, link: str, expires: datetime | None, output: Path | None) -> None:
    """Write a deviations file that covers all that fails in a saved report."""
    from sevconf.deviations import draft
    from sevconf.errors import UsageError
    from sevconf.reporting.files import read_report, write

    last = expires.date() if expires else today() + timedelta(days=_DAYS)
    text = draft(read_report(saved), reason=reason, link=link, expires=last)
    if output is None:
        click.echo(text, nl=False)
    elif output.exists():
        raise UsageError(f"expected no file at {output}: it is there already", hint="name another one, or remove it")
    else:
        write(output, text)


@deviations.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("saved", type=_SAVED)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def check(ctx: click.Context, file: Path, saved: Path, as_json: bool) -> None:
    """Hold a deviations file against a saved report; the exit code is what the run would have ended with."""
    from dataclasses import asdict

    from sevconf.deviations import apply, load
    from sevconf.reporting.files import read_report
    from sevconf.reporting.sections import deviated, outcome
    from sevconf.reporting.table import grid

    report = apply(read_report(saved), load(file), today())
    if as_json:
        click.echo(_json([asdict(entry) for entry in report.deviations]), nl=False)
    else:
        click.echo(grid(deviated(report)))
        click.echo(outcome(report))
    ctx.exit(report.exit_code())


@click.command()
@click.argument("saved", type=_SAVED)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--html", "as_html", is_flag=True, help="Write report.html beside it instead, with the traces at hand.")
def report(saved: Path, as_json: bool, as_html: bool) -> None:
    """Print a saved report again, from its folder or its report.json, or write its forms for other readers anew."""
    from sevconf.reporting.files import read_report, to_json
    from sevconf.reporting.table import table

    read = read_report(saved)
    if as_html:
        from sevconf.reporting.forms import HTML, write_forms

        folder = saved if saved.is_dir() else saved.parent
        write_forms(read, _catalogue(), folder)
        click.echo(folder / HTML)
    elif as_json:
        click.echo(to_json(read), nl=False)
    else:
        show(table(read))


def _catalogue() -> "Catalogue":
    from sevconf.suite import load
    from sevconf.suite.locate import suite_root

    return load(suite_root())


@click.command()
@click.argument("saved", type=_SAVED, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page there as well.")
@click.pass_context
def compare(ctx: click.Context, saved: tuple[Path, ...], as_json: bool, page: Path | None) -> None:
    """
    Put saved reports side by side.

    Of two, say which rules, claims and scenarios changed; the exit code is 1 if one that passed no longer does. Of
    more, show how each target stands; the exit code is 0.
    """
    from sevconf.errors import UsageError
    from sevconf.reporting import compare as compared
    from sevconf.reporting.files import read_report, write
    from sevconf.reporting.html import comparison_page
    from sevconf.reporting.table import grid

    if len(saved) < 2:
        raise UsageError("expected two reports or more to compare, not one")
    reports = [read_report(path) for path in saved]
    sides = compared.side_by_side(reports)
    difference = compared.compare(*reports) if len(reports) == 2 else None
    told = difference.notes if difference else tuple(compared.versions(reports))
    if page is not None:
        write(page, comparison_page(sides, told))
    if difference is not None:
        (click.echo(_json(difference.plain()), nl=False) if as_json else show(difference.text()))
        ctx.exit(ExitCode.NONCONFORMING if difference.lost else ExitCode.CONFORMING)
    if as_json:
        click.echo(_json({"notes": list(told), **compared.plain(sides)}), nl=False)
        return
    for note in told:
        click.echo(note)
    for section in compared.matrix(sides):
        click.echo(f"{section.title}\n{grid(section)}\n")


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


@click.command()
@click.argument("saved", type=_SAVED)
@click.option("--baseline", type=_SAVED, required=True, help="The earlier report, whose failures are known.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.pass_context
def diff(ctx: click.Context, saved: Path, baseline: Path, as_json: bool) -> None:
    """Say which failures a saved report has that its baseline has not; exit code 1 if there are any."""
    from dataclasses import asdict

    from sevconf.reporting.baseline import hold
    from sevconf.reporting.files import read_report

    held = hold(read_report(baseline), read_report(saved))
    click.echo(_json(asdict(held)) if as_json else held.text(), nl=False)
    ctx.exit(held.exit_code)


@click.command()
@click.argument("saved", type=_SAVED)
@click.argument("declarations", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--report-dir", type=click.Path(path_type=Path, file_okay=False), required=True, help="Write it there.")
@click.pass_context
def disclose(ctx: click.Context, saved: Path, declarations: Path, report_dir: Path) -> None:
    """Write of a saved report what may be published; exit code 1 if it is not as declared."""
    from sevconf.disclosure import Disclosed, declared
    from sevconf.reporting.files import read_report, write

    disclosed = Disclosed(read_report(saved), declared(declarations))
    write(report_dir / "conformance.md", disclosed.markdown())
    differences = tuple(disclosed.differences())
    for line in differences:
        click.echo(f"not as declared: {line}", err=True)
    ctx.exit(ExitCode.NONCONFORMING if differences else ExitCode.CONFORMING)


COMMANDS = (deviations, report, compare, diff, disclose)
