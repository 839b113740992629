"""
The closed lists of tags, and what each says.

A Rule has one id, one party, one basis, one claim or more and one machine kind or more; it may have one revision, needs
and `@limit`. A Scenario has one id, and may have needs and machine kinds of its own. A Feature may have its folder's
prefix. No other tag exists, and none is ever one target's excuse.
"""

import re

from sevconf.claims import CLAIMS
from sevconf.contract import Capability
from sevconf.vocabulary import Basis, MachineKind, Party, Revision

#: The prefix of all ids in each folder of features.
PREFIXES = {
    "threat_model": "TM",
    "memory_encryption": "SEV",
    "dma_mapping": "DMA",
    "events": "EVT",
    "memory_services": "MEM",
    "exit_boot_services": "EBS",
    "iommu_policy": "IOM",
    "drivers": "DRV",
}

_ANY_PREFIX = "|".join(PREFIXES.values())
RULE_ID = re.compile(rf"(?:{_ANY_PREFIX})-\d{{2}}")
SCENARIO_ID = re.compile(rf"(?:{_ANY_PREFIX})-\d{{2}}\.[1-9]\d*")

PARTIES = {party.value: party for party in Party}
BASES = {basis.value: basis for basis in Basis}
KINDS = {f"on-{kind.value}": kind for kind in MachineKind}
REVISIONS = {f"since-{revision.value}": revision for revision in Revision}
NEEDS = {capability.tag: capability for capability in Capability}
#: A rule on a limit of the design, which a machine that is expected to fail shows.
LIMIT = "limit"

#: What each tag that is no id says, in a word or two, in the order in which a reader wants them.
MEANINGS: dict[str, str] = {
    **dict.fromkeys(PREFIXES.values(), "prefix of a folder"),
    **dict.fromkeys(PARTIES, "party that the rule judges"),
    **dict.fromkeys(BASES, "basis of the rule"),
    **dict.fromkeys(KINDS, "machine kind that it runs on"),
    **dict.fromkeys(REVISIONS, "first revision of UEFI that has the clause"),
    **dict.fromkeys(NEEDS, "ability that the target must have"),
    LIMIT: "rule on a limit of the design",
    **dict.fromkeys(CLAIMS, "claim that the rule serves"),
}
