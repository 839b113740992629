"""Playing runs on a Dask cluster: each worker makes the machine for itself, and gets batches of choices."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sevconf.errors import UsageError
from sevconf.explore.plan import Plan
from sevconf.explore.run import Outcome, Touches
from sevconf.explore.search import Choices, Engine, play_batch


class Cluster:
    """Plays on the workers of a Dask client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def results(self, plan: Plan, touches: Touches, batches: Sequence[Sequence[Choices]]) -> Iterator[list[Outcome]]:
        """Play all batches, each on whichever worker is free."""
        futures = [self._client.submit(play_batch, plan, touches, batch, pure=False) for batch in batches]
        found: list[list[Outcome]] = self._client.gather(futures)
        return iter(found)


@contextmanager
def cluster(address: str) -> Iterator[Engine]:
    """
    Use the cluster at an address, or `local:N`: N workers on this machine, of one thread each.

    Raises:
        UsageError: Dask is not installed, or there is no such cluster.

    """
    try:
        dask: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError("expected Dask for --dask", hint="pip install 'sevconf[explore]'") from error
    local, _, number = address.partition(":")
    if local == "local":
        if not number.isdigit() or not int(number):
            raise UsageError(f"expected local:N, not {address!r}")
        started = dask.LocalCluster(n_workers=int(number), threads_per_worker=1, dashboard_address=None)
        with started, dask.Client(started) as client:
            yield Cluster(client)
        return
    try:
        client = dask.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"there is no Dask cluster at {address}: {error}") from error
    with client:
        yield Cluster(client)
