"""
Levels at the hand-over: ExitBootServices is called at TPL_APPLICATION, and handlers leave the level as they found it.

Spec: UEFI 2.10, 7.1, table "TPL Restrictions" (ExitBootServices = TPL_APPLICATION); 7.1.8 RaiseTPL, 7.1.9 RestoreTPL
(each raise is paired with a restore).
"""

from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.trace import NotificationBegan, NotificationEnded, Trace, party_of
from sevconf.vocabulary import EventGroup, Party, Tpl


@dataclass(frozen=True, slots=True)
class ExitAboveApplication:
    """An OS loader calls ExitBootServices above TPL_APPLICATION, so that handlers are skipped."""

    rule: str = "EBS-04"
    party: Party = Party.OS_LOADER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look at the level of each call."""
        return tuple(
            Breach(
                rule=self.rule,
                expected=f"ExitBootServices is called at {Tpl.APPLICATION}",
                observed=f"{call.actor} calls it at {call.tpl}, step {call.step}: handlers queued at or below "
                f"{call.tpl} will not run before the OS owns the machine",
                culprit=call.actor,
                steps=(call.step,),
            )
            for call in trace.calls("ExitBootServices")
            if call.tpl is not Tpl.APPLICATION and party_of(call.actor) == self.party.value
        )


@dataclass(frozen=True, slots=True)
class LevelLeftRaised:
    """A driver's exit handler returns at another level than it was entered at."""

    rule: str = "EBS-05"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Compare the levels at both ends of each handler."""
        found = []
        for ended in trace.of(NotificationEnded):
            began = trace.at(ended.began)
            if (
                isinstance(began, NotificationBegan)
                and began.group == EventGroup.EXIT_BOOT_SERVICES.value
                and began.tpl is not ended.tpl
                and party_of(began.actor) == self.party.value
            ):
                found.append(
                    Breach(
                        rule=self.rule,
                        expected="an exit handler returns at the level at which it was entered",
                        observed=f"the handler that began at step {began.step} at {began.tpl} returned at step "
                        f"{ended.step} at {ended.tpl}",
                        culprit=began.actor,
                        steps=(began.step, ended.step),
                    )
                )
        return tuple(found)
