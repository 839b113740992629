"""`python -m sevconf` is `sevconf`."""

from sevconf.cli import main

main(prog_name="sevconf")
