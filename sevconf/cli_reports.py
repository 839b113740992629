"""The commands that read saved reports: print them again, compare them, hold them against a baseline or deviations."""
# ruff: noqa: PLC0415 -- as in `cli`, what a command needs is imported when it runs

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from sevconf.verdict import ExitCode

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
        click.echo(json.dumps([asdict(entry) for entry in report.deviations], indent=1, ensure_ascii=False))
    else:
        click.echo(grid(deviated(report)))
        click.echo(outcome(report))
    ctx.exit(report.exit_code())


@click.command()
@click.argument("saved", type=_SAVED)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def report(saved: Path, as_json: bool) -> None:
    """Print a saved report again, from its folder or its report.json."""
    from sevconf.reporting.files import read_report, to_json
    from sevconf.reporting.table import table

    read = read_report(saved)
    click.echo(to_json(read) if as_json else table(read), nl=False)


@click.command()
@click.argument("before", type=_SAVED)
@click.argument("after", type=_SAVED)
@click.pass_context
def compare(ctx: click.Context, before: Path, after: Path) -> None:
    """Say which rules and claims changed their verdict between two saved reports; exit code 1 if one got worse."""
    from sevconf.reporting.compare import compare as compare_reports
    from sevconf.reporting.files import read_report

    difference = compare_reports(read_report(before), read_report(after))
    click.echo(difference.text(), nl=False)
    ctx.exit(ExitCode.NONCONFORMING if difference.lost else ExitCode.CONFORMING)


COMMANDS = (deviations, report, compare)
