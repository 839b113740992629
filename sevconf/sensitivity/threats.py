"""What goes wrong on a machine that breaks a rule, in a few kinds: the threat that the rule stands against."""

from enum import Enum


class Threat(Enum):
    """A kind of harm; the value is its short name, `meaning` a sentence."""

    LEAK = "leak"
    STRAY_DMA = "stray DMA"
    REACH = "reach"
    GARBAGE = "garbage"
    DISORDER = "disorder"
    NO_BOOT = "no boot"
    REFUSAL = "refusal"
    LUCK = "luck"
    LOSS = "loss"
    FALSE_RAM = "false RAM"

    @property
    def meaning(self) -> str:
        """The harm in one sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    Threat.LEAK: "Guest data lie in plaintext after their life has ended: whoever takes the host over has them.",
    Threat.STRAY_DMA: "A device goes on with DMA when its memory is somebody else's, the OS's above all.",
    Threat.REACH: "A device reaches memory that nobody opened for it.",
    Threat.GARBAGE: "Data arrive garbled, mixed up or not at all: in memory, on the disk or on the wire.",
    Threat.DISORDER: "Notifications run in an order, or at a time, that others' safety does not survive.",
    Threat.NO_BOOT: "The machine does not get to its OS: the MapKey is stale for ever, or something waits for ever.",
    Threat.REFUSAL: "Code that keeps to the specification is turned away.",
    Threat.LUCK: "It works only where there is neither encryption nor an IOMMU, or where nothing is short.",
    Threat.LOSS: "Memory, mappings or events stay behind, and nobody owns them any more.",
    Threat.FALSE_RAM: "RAM behaves as that of no SEV guest does, so what is judged on it is worth nothing.",
}

#: Rules by what their violation comes to.
_RULES = {
    Threat.LEAK: (
        *("DMA-01", "DMA-03", "DMA-04", "DMA-05", "DMA-12", "DMA-16", "DMA-17", "DMA-30", "DMA-31", "DRV-24"),
        *("EBS-07", "EBS-08", "EBS-25", "EBS-26", "TM-02", "TM-05"),
    ),
    Threat.STRAY_DMA: (
        *("DRV-01", "DRV-02", "DRV-09", "DRV-10", "DRV-12", "DRV-14", "DRV-15", "DRV-17", "DRV-19", "EBS-06"),
        *("EBS-10", "EBS-14", "DRV-34"),
    ),
    Threat.REACH: ("IOM-01", "IOM-02", "IOM-04", "IOM-07", "IOM-08", "IOM-09", "IOM-10", "DRV-25"),
    Threat.GARBAGE: (
        *("DMA-02", "DMA-06", "DMA-13", "DMA-14", "EBS-09", "EBS-12", "IOM-03", "IOM-05", "IOM-06", "IOM-11"),
        *("DRV-20", "DRV-21", "DRV-23", "DRV-40"),
    ),
    Threat.DISORDER: (
        *("EBS-02", "EBS-04", "EBS-05", "EBS-11", "EVT-01", "EVT-02", "EVT-03", "EVT-04", "EVT-05", "EVT-06"),
        *("EVT-07", "EVT-08", "EVT-09", "EVT-10", "EVT-11", "EVT-12", "EVT-13", "EVT-15", "DRV-33"),
    ),
    Threat.NO_BOOT: (
        *("DMA-07", "DMA-08", "DMA-09", "DRV-13", "DRV-18", "DRV-32", "EBS-01", "EBS-03", "EBS-13", "EVT-16"),
        *("MEM-01", "MEM-02", "MEM-03", "MEM-04", "MEM-05", "MEM-06", "MEM-07", "MEM-10", "MEM-11"),
    ),
    Threat.REFUSAL: (*("DMA-10", "DMA-11", "DMA-15", "DRV-30", "DRV-31", "EVT-14", "EVT-17", "MEM-08", "MEM-09"),),
    Threat.LUCK: ("DRV-03", "DRV-05", "DRV-06", "DRV-11", "DRV-16", "DRV-22"),
    Threat.LOSS: ("DRV-04", "DRV-07", "DRV-08", "DRV-41"),
}
_BY_RULE = {rule: threat for threat, rules in _RULES.items() for rule in rules}
#: What stands for rules that the table does not hold, by prefix.
_BY_PREFIX = {
    "SEV": Threat.FALSE_RAM,
    "TM": Threat.FALSE_RAM,
    "DMA": Threat.LEAK,
    "EVT": Threat.DISORDER,
    "MEM": Threat.NO_BOOT,
    "EBS": Threat.LEAK,
    "IOM": Threat.REACH,
    "DRV": Threat.STRAY_DMA,
}


def threat_of(rule: str) -> Threat:
    """Return the threat that a rule stands against, by its id, or by its prefix where the table does not hold it."""
    return _BY_RULE.get(rule) or _BY_PREFIX[rule.partition("-")[0]]
