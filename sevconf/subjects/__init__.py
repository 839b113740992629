"""What can be judged: targets, each with its machines, found by name in `registry`."""
