"""Images out of files: PE32+, PCI option ROMs, firmware volumes; foreign parsers run in a child."""
