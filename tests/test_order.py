"""Rows do not depend on each other: run twice in one process, and in reverse order, they are the same."""

import pytest

from sevconf import plugin
from sevconf.judge import Setting
from sevconf.reporting.report import Report
from sevconf.run import Order, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.vocabulary import Profile

SUITE = load(suite_root())


def _rows(report: Report) -> dict[str, tuple[str, str | None, str]]:
    return {row.id: (row.verdict.value, row.trace_sha256, row.answer) for row in report.rows}


def _judge() -> Report:
    return run(Setting(SUITE, ReferenceTarget(), Profile.OVMF_SEV, 0, frozenset(SUITE.rules)), Order("reference"))


def test_reverse_order_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row has the same verdict, trace and answer a second time in one process, and with all rows in reverse."""
    first = _rows(_judge())
    order: list[str] = []
    original = plugin.pytest_collection_modifyitems

    def reversing(config: pytest.Config, items: list[pytest.Item]) -> None:
        original(config, items)
        items.reverse()
        order.extend(item.nodeid for item in items)

    pytest.hookimpl(tryfirst=True)(reversing)
    monkeypatch.setattr(plugin, "pytest_collection_modifyitems", reversing)
    second = _rows(_judge())
    assert order
    assert second == first
