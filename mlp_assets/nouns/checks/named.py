"""Named: the base of every spec that has a name of its own."""

from typing import TYPE_CHECKING, Any


class Named:
    """A spec that is checked by itself and not as a part of the specs that refer to it."""

    if TYPE_CHECKING:  # a dataclass would take a property of its base for the default of the field

        @property
        def name(self) -> str: ...

    @property
    def where(self) -> str:
        """How messages call it, such as ``Model 'buys'``."""
        return f"{type(self).__name__} {self.name!r}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """A field that refers to a spec is only checked for the spec's class."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)


def shown(value: object) -> str:
    """How a message shows a value: a spec by its name, anything else as Python does, cut at 80 characters."""
    text = value.where if isinstance(value, Named) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
