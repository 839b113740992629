"""Faults put into a binary from outside, by name: what a shipped driver would look like with one bug."""
