"""
The rules as they are written: features read, checked and counted before anything runs.

`source` reads the files as they stand, `check` refuses what a runner would lose in silence, `catalogue` holds what is
left as values, `sentences` pairs every sentence with its definition, `locate` knows where features and steps lie.
"""

from sevconf.suite.catalogue import Catalogue, Feature, Row, Rule, Scenario, load

#: Version of the rules; reports are compared within one. A new rule that fails what passed is a minor step.
RULE_SET_VERSION = "0.1"

__all__ = ["RULE_SET_VERSION", "Catalogue", "Feature", "Row", "Rule", "Scenario", "load"]
