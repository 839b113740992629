"""
Safety rules as small automata over a trace, one for each rule that must hold in every run.

They are used by Then-steps and, whatever a scenario was about, on the trace of every row. `charge` runs them all and
decides which breach counts; `judge` and `control` are how a Then-step speaks.
"""

from sevconf.monitors.breach import Breach, Monitor
from sevconf.monitors.charge import MONITORS, charge
from sevconf.monitors.cpu_access import Outlived, outlived
from sevconf.monitors.judgement import control, judge, judge_breaches
from sevconf.monitors.leak import Leak, explain, last_write, leaks, shown_in_plaintext
from sevconf.monitors.life import leaks_after_life, leaks_at_any_step
from sevconf.monitors.observed import ExitWindow, Lives, Observer, driver_of, exit_window, in_window, lives, torn_down

__all__ = [
    "MONITORS",
    "Breach",
    "ExitWindow",
    "Leak",
    "Lives",
    "Monitor",
    "Observer",
    "Outlived",
    "charge",
    "control",
    "driver_of",
    "exit_window",
    "explain",
    "in_window",
    "judge",
    "judge_breaches",
    "last_write",
    "leaks",
    "leaks_after_life",
    "leaks_at_any_step",
    "lives",
    "outlived",
    "shown_in_plaintext",
    "torn_down",
]
