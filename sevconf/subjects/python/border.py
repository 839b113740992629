"""
The border between foreign code and ours, in the worker.

Whatever crosses it as an exception is judged there, by who was running, not by file names: what foreign code lets out
is its failure, what a service of ours lets out is ours. The first failure is told to the suite at once, so foreign code
can't swallow it, and everything behind it is moot.
"""

import threading
from collections.abc import Callable
from typing import Any, NoReturn

from sevconf.errors import BrokenContract, ForeignFailure, LostContact
from sevconf.subjects.python import words
from sevconf.subjects.python.fingerprint import Fingerprint
from sevconf.subjects.python.limits import Limits, relent
from sevconf.trace import Trace, party_of


class Border:
    """
    One worker's border.

    `tell` sends a failure to the suite, `asked` is what foreign code has been asked to do, `fingerprint` what our code
    was before it.
    """

    def __init__(
        self, culprit: str, limits: Limits, fingerprint: Fingerprint, tell: Callable[[BaseException], None]
    ) -> None:
        self.culprit = culprit
        self.failure: BaseException | None = None
        self.asked = ""
        self.trace = Trace()
        #: Processes that the suite itself started here.
        self.processes: frozenset[int] = frozenset()
        self._limits = limits
        self._fingerprint = fingerprint
        self._tell = tell
        self._thread = threading.get_ident()

    @property
    def act(self) -> str:
        """What foreign code is about."""
        return words.act_within(self.trace, self.asked, party_of(self.culprit))

    def fail(self, error: BaseException) -> NoReturn:
        """Tell the first failure, and raise it."""
        if self.failure is None:
            relent()
            self.failure = error
            self._tell(error)
        raise self.failure

    def broken(self, how: str) -> NoReturn:
        """Fail because the contract is broken."""
        self.fail(BrokenContract(self.culprit, self.act, _at(how)))

    def out(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call foreign code."""
        try:
            return function(*arguments)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are foreign code's doing too
            if error is self.failure:
                raise
            relent()
            self.fail(ForeignFailure(self.culprit, self.act, f"raises {words.exception(error, self._limits)}"))

    def back(self, service: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Serve foreign code."""
        if threading.get_ident() != self._thread:
            self.broken(f"calls {service} from a thread of its own: firmware runs on one processor")
        try:
            return function(*arguments)
        except (MemoryError, RecursionError):
            raise  # the resources are foreign code's to use up, wherever they give out
        except BaseException as error:
            if error is self.failure:
                raise
            if isinstance(error, ForeignFailure):
                self.fail(type(error)(error.culprit, error.act, _at(error.how)))
            self.check()
            self.fail(LostContact(self.culprit, f"{service} of the model raised {words.exception(error)}"))

    def check(self) -> None:
        """Fail if our code is not what it was."""
        changes = self._fingerprint.changes()
        if changes:
            more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
            how = f"changes the suite's own code in its worker: {', '.join(changes[:3])}{more}"
            self.fail(ForeignFailure(self.culprit, self.act, how))


def _at(how: str) -> str:
    place = words.caller()
    return f"{how} ({place})" if place else how
