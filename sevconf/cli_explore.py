"""The command that explores every order of a hand-over."""
# ruff: noqa: PLC0415 -- as in `cli`, what a command needs is imported when it runs

import sys
from pathlib import Path

import click

from sevconf.cli_comfort import make_folder
from sevconf.verdict import ExitCode


@click.command()
@click.option("--drivers", "drivers", multiple=True, metavar="NAMES", help="Drivers, with blanks between; repeatable.")
@click.option("--iommu", default="sev", show_default=True, help="The IOMMU driver.")
@click.option("--fault", default="", metavar="NAME", help="Explore this one-bug machine.")
@click.option("--steps", type=click.IntRange(min=0), default=3, show_default=True, help="Most DMA steps at choice.")
@click.option("--full", is_flag=True, help="Neither merge states nor leave out orders of acts that commute.")
@click.option("--max-runs", type=click.IntRange(min=0), default=0, help="Most runs to play; 0 is no limit.")
@click.option("-n", "workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--dask", metavar="ADDRESS", help="Play runs on a Dask cluster, or on `local:N` workers of its own.")
@click.option("--checkpoint", type=click.Path(path_type=Path, dir_okay=False), help="Go on from there; write there.")
@click.option("--report-dir", type=click.Path(path_type=Path, file_okay=False), help="Write counterexamples there.")
@click.option("--designs", is_flag=True, help="Explore the designs of the thread instead, and print a table.")
@click.option("--replay", "again", type=click.Path(path_type=Path, exists=True), help="Run a counterexample again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.argument("more", nargs=-1)
@click.pass_context
def explore(  # noqa: PLR0917 -- click passes every option by name
    ctx: click.Context,
    drivers: tuple[str, ...],
    more: tuple[str, ...],
    iommu: str,
    fault: str,
    steps: int,
    full: bool,
    max_runs: int,
    workers: int,
    dask: str | None,
    checkpoint: Path | None,
    report_dir: Path | None,
    designs: bool,
    again: Path | None,
    as_json: bool,
) -> None:
    """Try every order of exit handlers, their levels and DMA between them; tell the shortest way to break a rule."""
    from sevconf.explore.plan import Plan
    from sevconf.explore.replay import read, replay
    from sevconf.explore.search import Limits, engine
    from sevconf.explore.search import explore as search
    from sevconf.explore.told import as_json as json_of
    from sevconf.explore.told import findings, save, text
    from sevconf.suite import load
    from sevconf.suite.locate import suite_root

    if again is not None:
        plan, rule, acts = read(again)
        outcome = replay(plan, acts)
        seen = next((violation for violation in outcome.violations if violation.rule == rule), None)
        click.echo(f"{rule} holds" if seen is None else f"{rule} is broken: {seen.observed}")
        ctx.exit(ExitCode.CONFORMING if seen is None else ExitCode.NONCONFORMING)
    if designs:
        from sevconf.explore.designs import HEADERS, results, row
        from sevconf.reporting.sections import Section
        from sevconf.reporting.table import grid

        click.echo(grid(Section("designs", HEADERS, tuple(row(*result) for result in results(workers)))))
        return
    plan = Plan((*" ".join(drivers).split(), *more), iommu, fault, steps, reduced=not full)
    make_folder(report_dir)
    shown = sys.stderr.isatty()
    limits = Limits(max_runs, checkpoint, lambda found: click.echo(found.progress, err=True) if shown else None)
    with engine(plan, workers, dask) as playing:
        told = findings(search(plan, playing, limits), {r.id: r.name for r in load(suite_root()).rules.values()})
    if report_dir is not None:
        save(told, report_dir)
    click.echo(json_of(told) if as_json else text(told), nl=False)
    ctx.exit(told.exit_code)
