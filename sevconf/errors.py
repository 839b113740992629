"""
What can go wrong in a run, and whose fault it is.

A run reads a command line, opens a target, plays scenarios on it and judges them. What can happen at each step:

    SevconfError                 ours, or the set-up's; verdict `error`, or exit code 2 before the run starts
      UsageError                 the command line names something that does not exist or does not fit
      SuiteError                 missing, doubled or empty sentence, scenario, tag or id
      TargetError                the adapter between suite and target
        CannotStart LostContact TimedOut
      RecordError                an unreadable, truncated or foreign record of a run
    ForeignFailure               foreign code raised, hung, exited or died; verdict `target-failed`
      BrokenContract             foreign code called the contract with something that it does not allow
    Nonconformance               the judged party broke the clause; verdict `nonconforming`
    Inconclusive                 the target could not show what the rule needs; verdict `inconclusive`
    Unsupported                  a capability, device or machine kind is absent; verdict `unsupported`

Only `Nonconformance` counts against a specification's reader, and only Then-steps raise it. A plain AssertionError is
an error of ours. What firmware returned (`EfiStatus`) and what an IOMMU refused (`IommuFault`) are observations, not
exceptions.
"""


class SevconfError(Exception):
    """Something on our side or the set-up's; `hint` tells the reader what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(SevconfError):
    """The command line asks for something that does not exist or does not fit; exit code 2."""


class SuiteError(SevconfError):
    """The suite itself is wrong: a missing, doubled or empty sentence, scenario, tag or id."""


class TargetError(SevconfError):
    """The adapter between the suite and a target failed."""

    def __init__(self, target: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{target}: {message}", hint=hint)
        self.target = target
        self._said = message

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.target, self._said, self.hint)


def _again(kind: type[TargetError], target: str, message: str, hint: str) -> TargetError:
    return kind(target, message, hint=hint)


class CannotStart(TargetError):
    """A target could not be brought up."""


class LostContact(TargetError):
    """A target that was up no longer answers, by no fault of foreign code."""


class TimedOut(TargetError):
    """A target that runs none of the judged party's code did not answer in time."""


class RecordError(SevconfError):
    """A trace or report file is unreadable, truncated, doubled or of another suite."""


class ForeignFailure(Exception):
    """
    Foreign code raised, hung past its limit, exited or killed its worker.

    `culprit` names the party and the code, `act` what it was asked to do, `how` what it did instead.
    """

    def __init__(self, culprit: str, act: str, how: str) -> None:
        super().__init__(f"{culprit}: {how}, while it was asked to {act}")
        self.culprit = culprit
        self.act = act
        self.how = how

    def __reduce__(self) -> tuple[type["ForeignFailure"], tuple[str, str, str]]:
        return type(self), (self.culprit, self.act, self.how)


class BrokenContract(ForeignFailure):
    """Foreign code called the contract with an argument that it does not allow, or lacks what it must offer."""


class Hung(ForeignFailure):
    """Foreign code took longer than it may."""


class Nonconformance(AssertionError):
    """
    The judged party broke the clause.

    `expected` and `observed` are whole sentences; `culprit` names the actor to blame; `steps` are the trace steps that
    prove it, in the order in which the proof reads.
    """

    def __init__(self, expected: str, observed: str, culprit: str, steps: tuple[int, ...] = ()) -> None:
        super().__init__(f"expected: {expected}\nobserved: {observed}\nculprit:  {culprit}")
        self.expected = expected
        self.observed = observed
        self.culprit = culprit
        self.steps = steps


class Inconclusive(Exception):
    """The target could not show what the rule needs: the positive control did not hold."""


class Unsupported(Exception):
    """A capability, device or machine kind that the rule needs is absent."""
