"""
The reference against real cores, by sequences of acts that somebody draws.

`acts` plays a sequence on any machine and says what was observed, `ways` are the reference with the ways of a real
core: its choices where UEFI leaves one, and its known deviations. What is left must agree.
"""
