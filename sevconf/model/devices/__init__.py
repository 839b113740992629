"""Devices that the host plays: bus masters with registers, which make progress when the machine lets time pass."""
