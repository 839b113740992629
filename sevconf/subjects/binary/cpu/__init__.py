"""An emulated processor (Unicorn) on the reference machine's RAM, page tables and TLB."""
