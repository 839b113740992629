"""Conforming drivers for the model's devices, written against the contract that a vendor's driver gets."""
