"""
Each service is called at a level at which the table allows it, and by the bootstrap processor.

The caller is judged, never the core, which need not look. What happens inside a call that was illegal already is its
consequence. ExitBootServices has a rule of its own (`levels`). The level itself goes up by RaiseTPL and never down.

Spec: UEFI 2.10, 7.1, table "TPL Restrictions"; 7.1.8 EFI_BOOT_SERVICES.RaiseTPL(): what happens at a NewTpl below the
current level is indeterminate; 2.3.4: boot services run on one processor.
"""

from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.trace import NotificationBegan, ProcedureBegan, ServiceCall, Trace, party_of
from sevconf.vocabulary import Party, Restriction, Tpl, restriction

#: What another rule judges.
_ELSEWHERE = frozenset({"ExitBootServices"})


def _broken(call: ServiceCall) -> Restriction | None:
    """Return the restriction that a call breaks."""
    found = restriction(call.service)
    return None if found is None or found.allows(call.tpl) else found


@dataclass(frozen=True, slots=True)
class IllegalLevel:
    """A party calls a service at a level at which the table forbids it."""

    rule: str
    party: Party

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look at the level of each call of the party, unless a call around it was illegal already."""
        found = []
        for call in trace.of(ServiceCall):
            broken = _broken(call)
            if broken is None or party_of(call.actor) != self.party.value or call.service in _ELSEWHERE:
                continue
            around = [outer for outer in trace.enclosing(call) if isinstance(outer, ServiceCall)]
            if any(_broken(outer) for outer in around):
                continue
            found.append(
                Breach(
                    rule=self.rule,
                    expected=f"{call.service} is called at {broken}",
                    observed=f"{call.actor} calls it at {call.tpl}, step {call.step}, so it may break into what the "
                    "core, or the driver behind the protocol, has under way",
                    culprit=call.actor,
                    steps=(*(outer.step for outer in reversed(around)), call.step),
                )
            )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ApplicationProcessor:
    """A party calls a service from an application processor."""

    rule: str
    party: Party

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look for calls that a procedure on such a processor makes itself."""
        found = []
        for call in trace.of(ServiceCall):
            began = next(trace.enclosing(call), None)
            if isinstance(began, ProcedureBegan) and party_of(call.actor) == self.party.value:
                found.append(
                    Breach(
                        rule=self.rule,
                        expected="every service is called from the bootstrap processor",
                        observed=f"{call.actor} calls {call.service} from application processor {began.processor}, "
                        f"step {call.step}, while the bootstrap processor may be inside the same service",
                        culprit=call.actor,
                        steps=(began.step, call.step),
                    )
                )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class RaisesDownwards:
    """A party raises the level to one that is below the present one."""

    rule: str
    party: Party

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look at the level of each call of RaiseTPL, and at the one that it asks for."""
        found = []
        for call in trace.calls("RaiseTPL"):
            asked = dict(call.arguments).get("new_tpl")
            if party_of(call.actor) == self.party.value and isinstance(asked, int) and asked < call.tpl:
                around = [outer for outer in trace.enclosing(call) if isinstance(outer, NotificationBegan)]
                found.append(
                    Breach(
                        rule=self.rule,
                        expected="RaiseTPL goes up: the level that is asked for is not below the present one",
                        observed=f"{call.actor} calls it at {call.tpl} for {Tpl(asked)}, step {call.step}, and what "
                        "the core does then is indeterminate",
                        culprit=call.actor,
                        steps=(*(outer.step for outer in reversed(around)), call.step),
                    )
                )
        return tuple(found)
