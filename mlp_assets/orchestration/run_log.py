"""Adds a message to the log of a run: ``python -m mlp_assets.orchestration.run_log RUN MESSAGE``."""

import sys

import dagster as dg


def main(run_id: str, message: str) -> None:
    """Reports the message as an engine event, as Dagster itself does for a process that ended unexpectedly."""
    instance = dg.DagsterInstance.get()
    run = instance.get_run_by_id(run_id)
    if run is not None:
        instance.report_engine_event(message, run)


if __name__ == "__main__":
    main(*sys.argv[1:])
