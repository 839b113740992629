"""Evidence without what differs from run to run."""

from dataclasses import replace

import pytest

from sevconf.reporting.normal import evidence_hash, normalised, timeless
from sevconf.reporting.record import RowRecord
from sevconf.verdict import Verdict


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("18 ranges as before, MapKey 0x2a", "… ranges as before, MapKey …"),
        ("calls ExitBootServices(map_key=0x78d)", "calls ExitBootServices(map_key=…)"),
        (">    16  TPL_CALLBACK    it returns", "> …  TPL_CALLBACK    it returns"),
        ("      7  TPL_CALLBACK    it returns", "  …  TPL_CALLBACK    it returns"),
        ("it ran 0 times", "it ran 0 times"),
        ("the timer ran 5 times", "the timer ran … times"),
        ("calls CreateEvent(type=0x200, notify_tpl=0x1f)", "calls CreateEvent(type=0x200, notify_tpl=0x1f)"),
    ],
)
def test_what_varies_gives_way(text: str, plain: str) -> None:
    """Addresses, keys, steps and counts; types, levels and statuses stay."""
    assert timeless(text) == plain


def test_the_hash_is_of_what_was_shown() -> None:
    """Another step is the same evidence, another sentence is not."""
    row = RowRecord("R{on=none}", Verdict.NONCONFORMING, "a", "b at step 5", "core", trace_sha256="x")
    assert evidence_hash(replace(row, observed="b at step 6", seconds=2)) == evidence_hash(row)
    assert evidence_hash(replace(row, observed="c")) != evidence_hash(row)
    assert normalised(row).trace_sha256 is None
