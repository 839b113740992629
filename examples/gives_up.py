"""
An OS loader that takes the first refusal of ExitBootServices for the end, though a handler only moved the MapKey.

Breaks: S10, T20
"""

from right_os_loader import RightOsLoader


class GivesUp(RightOsLoader):
    """Calls once."""

    tries = 1
