"""Leases as rows of PostgreSQL, for processes on many machines. Times are those of the database's clock."""

import contextlib
import os
import socket
import time
from collections.abc import Generator
from typing import Any

from mlp_assets.errors import MlpError
from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.ports.lease import Lease, LeaseHeldError

_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 600.0  # as trainings wait for the cluster
_RETRY_SECONDS = 2.0
_CONNECT = {
    "application_name": "mlp leases",
    "connect_timeout": 10,
    # A machine that is gone keeps no row locked: its connection ends after 30 s without an answer.
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4",
}
_TABLE = """CREATE TABLE IF NOT EXISTS mlp_leases (
    name text PRIMARY KEY, number bigint NOT NULL, owner text NOT NULL, expires timestamptz NOT NULL)"""
_TAKE = """INSERT INTO mlp_leases AS held
    VALUES (%(name)s, 1, %(owner)s, clock_timestamp() + %(seconds)s * interval '1 s')
    ON CONFLICT (name) DO UPDATE SET number = held.number + 1, owner = excluded.owner, expires = excluded.expires
    WHERE held.expires <= clock_timestamp()
    RETURNING number, extract(epoch FROM expires)"""
_RENEW = """UPDATE mlp_leases SET expires = clock_timestamp() + %(seconds)s * interval '1 s'
    WHERE name = %(name)s AND number = %(number)s
    RETURNING number, extract(epoch FROM expires)"""
_LOCK = "SELECT number, owner FROM mlp_leases WHERE name = %(name)s FOR UPDATE"
_OWNER = "SELECT owner FROM mlp_leases WHERE name = %(name)s"


class PostgresLeases:
    """Leases of the table ``mlp_leases``, which is made where it is missing.

    A fenced write locks the lease's row, so taking the lease waits for it. A database that does not answer is asked
    again for ten minutes.

    Args:
        address: ``postgresql://user@host:port/database``, also with a driver as SQLAlchemy writes it. The password may
            be in the variable PGPASSWORD instead.
    """

    def __init__(self, address: str, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._address, self._patience = address.replace("+psycopg2", "", 1), patience_seconds

    def acquire(self, name: str, *, seconds: float, wait_seconds: float = 0.0) -> Lease:
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        values = {"name": name, "owner": owner, "seconds": seconds}
        deadline = time.monotonic() + wait_seconds
        while (taken := self._row(_TAKE, values)) is None:
            if time.monotonic() >= deadline:
                held = self._row(_OWNER, values)
                raise LeaseHeldError(
                    f"{held[0] if held else 'Another process'} holds the lease {name}. Wait until it is done, or end "
                    "it: a minute later the lease is free."
                )
            time.sleep(min(_POLL_SECONDS, max(deadline - time.monotonic(), 0.0)))
        return Lease(name, owner, taken[0], float(taken[1]))

    def renew(self, lease: Lease, *, seconds: float) -> Lease:
        row = self._row(_RENEW, {"name": lease.name, "number": lease.number, "seconds": seconds})
        if row is None:
            raise self._lost(lease, "another process")
        return Lease(lease.name, lease.owner, lease.number, float(row[1]))

    def release(self, lease: Lease) -> None:
        self._row(_RENEW, {"name": lease.name, "number": lease.number, "seconds": 0.0})

    @contextlib.contextmanager
    def fenced(self, lease: Lease) -> Generator[None]:
        connection, row = self._asked(_LOCK, {"name": lease.name}, commit=False)
        with contextlib.closing(connection), connection:
            if row is None or row[0] != lease.number:
                raise self._lost(lease, row[1] if row else "somebody")
            yield

    def _row(self, statement: str, values: dict[str, Any]) -> Any:
        """The row that the statement returns, in a transaction of its own; None where it returns none."""
        return self._asked(statement, values, commit=True)[1]

    def _asked(self, statement: str, values: dict[str, Any], *, commit: bool) -> tuple[Any, Any]:
        """The connection that executed the statement, and the row that it returned.

        Its transaction is still open unless it is committed. What a lost connection cuts off is sent again.
        """
        import psycopg2

        begun = time.monotonic()
        while True:
            try:
                with contextlib.ExitStack() as opened:
                    connection = opened.enter_context(contextlib.closing(psycopg2.connect(self._address, **_CONNECT)))
                    with connection.cursor() as cursor:
                        cursor.execute(statement, values)
                        row = cursor.fetchone()
                    if commit:
                        connection.commit()
                    else:
                        opened.pop_all()
                    return connection, row
            except psycopg2.errors.UndefinedTable:
                self._make_table()
            except psycopg2.OperationalError as error:
                if time.monotonic() - begun > self._patience:
                    raise MlpError(
                        f"The database of the leases does not answer: {str(error).strip()} Look whether it runs, and "
                        "whether MLP_DATABASE is right."
                    ) from error
                time.sleep(_RETRY_SECONDS)

    def _make_table(self) -> None:
        import psycopg2

        with (
            contextlib.suppress(psycopg2.errors.UniqueViolation),  # another process made it at the same moment
            contextlib.closing(psycopg2.connect(self._address, **_CONNECT)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(_TABLE)

    def _lost(self, lease: Lease, owner: str) -> LeaseLostError:
        return LeaseLostError(
            f"The lease {lease.name} number {lease.number} expired, and {owner} took it. What was to be written under "
            "it is refused: the newer holder writes it. Nothing needs to be done."
        )
