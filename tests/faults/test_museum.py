"""The museum: every bug says where it is told; that its rules catch it is tried with all other faults."""

from sevconf.faults import CATALOGUE, museum


def test_what_the_museum_shows() -> None:
    """Its machines are named for it and say where the bug is told; no other machine claims to be of shipped code."""
    for name, fault in CATALOGUE.items():
        assert name.startswith("museum-") == (fault in museum.FAULTS) == bool(fault.upstream), name
        assert fault.upstream or not fault.fixed_in, name
