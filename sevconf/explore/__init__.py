"""
Every order, every moment: all runs of a hand-off within stated bounds, on the reference machine itself.

`plan` says what is explored, `machine` puts it together from the parts of `sevconf.model`, `scheduler` makes every
freedom of the core a choice, `run` plays one run along given choices, `properties` judges it by the monitors, `search`
goes through all of them, shortest first, and `told` writes what came of it.
"""
