"""Keeps libraries out of a process until they are used."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def deferred(libraries: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """During the block, ``from library import name`` gives a stand-in, which imports the library when it is used.

    A library that is imported already stays as it is. After the block nothing of the stand-ins is importable.

    Args:
        libraries: library -> the names that are imported from it.
    """
    stand_ins = {name: _stand_in(name, names) for name, names in libraries.items() if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _stand_in(library: str, names: Sequence[str]) -> ModuleType:
    module = ModuleType(library)
    for name in names:
        setattr(module, name, _Deferred(library, name))
    return module


class _Deferred:
    """A class, function or submodule of a library that is not imported yet."""

    def __init__(self, library: str, name: str) -> None:
        self._library, self._name = library, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._real()(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # tools that look at a module's names must not import the library
            raise AttributeError(name)
        return getattr(self._real(), name)

    def _real(self) -> Any:
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(f"{self._library}.{self._name}")
        return getattr(importlib.import_module(self._library), self._name)
