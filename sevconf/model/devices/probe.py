"""The probe: a bus master without registers of its own, which scenarios drive themselves."""

from sevconf.model.devices.base import PciFunction

#: Its name in the trace.
PROBE = "device:probe"


class Probe(PciFunction):
    """The device; who drives it asks the bus."""

    actor = PROBE
