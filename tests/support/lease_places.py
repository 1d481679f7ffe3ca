"""Leases by where they lie, and a process that holds one of them."""

from pathlib import Path

from mlp_resources.leases.local import LocalLeases
from mlp_resources.leases.postgres import PostgresLeases
from mlp_resources.ports.lease import Leases

HOLD = """
import sys
from pathlib import Path
from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.leases.holding import holding
from tests.support.lease_places import leases_at

leases = leases_at(sys.argv[1])
with holding(leases, "state", seconds=float(sys.argv[2])) as lease:
    print(lease.number, flush=True)
    sys.stdin.readline()
    try:
        with leases.fenced(lease):
            Path(sys.argv[3]).write_text("the late one")
        print("written", flush=True)
    except LeaseLostError as error:
        print(error, flush=True)
"""
"""Holds the lease ``state`` at a place, for some seconds, and writes a file under it when it is told to."""


def leases_at(place: str) -> Leases:
    """The leases in a folder, or in the database of an address."""
    return PostgresLeases(place) if "://" in place else LocalLeases(Path(place))
