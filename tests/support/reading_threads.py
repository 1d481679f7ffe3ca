"""Threads that read all along, while a test writes."""

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def read_all_along(read: Callable[[], None]) -> Iterator[list[Exception]]:
    """Calls ``read`` again and again in each of three threads while the block runs; yields what it raises."""
    done, raised = threading.Event(), list[Exception]()

    def run() -> None:
        try:
            while not done.is_set():
                read()
        except Exception as error:  # a thread cannot fail the test: the test looks at what was raised
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield raised
    finally:
        done.set()
        for thread in threads:
            thread.join()
