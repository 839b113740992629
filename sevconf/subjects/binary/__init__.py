"""Real UEFI binaries as targets: images out of files, an emulated processor on the reference machine, its services."""
