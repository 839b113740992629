"""Records of rows, on their way between processes."""

import pytest

from sevconf.errors import RecordError
from sevconf.reporting.record import RowRecord, decode_row, encode_row
from sevconf.verdict import Verdict
from tests.reporting.sample import BREACH, row


@pytest.mark.parametrize(
    "record",
    [*(row(verdict) for verdict in Verdict), RowRecord("A{on=sev}", Verdict.PASSED, breaches=(BREACH,), seconds=0.25)],
    ids=lambda record: str(record.verdict),
)
def test_a_record_survives_the_way(record: RowRecord) -> None:
    """A record comes back as it was."""
    assert decode_row(encode_row(record)) == record


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"id": 1}', encode_row(row(Verdict.PASSED)).replace("passed", "fine")]
)
def test_what_is_no_record_is_refused(line: str) -> None:
    """A line that is no record is refused."""
    with pytest.raises(RecordError, match="not the record of a row"):
        decode_row(line)
