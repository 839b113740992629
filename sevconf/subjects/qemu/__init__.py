"""QEMU's own device models behind a machine of ours: a bench of devices without a processor that runs."""
