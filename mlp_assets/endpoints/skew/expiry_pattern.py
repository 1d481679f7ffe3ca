"""Why rows are missing on one side only: another TTL, or times that are shifted by hours."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from mlp_assets.endpoints.skew.compared_rows import Flags, ViewReads

MISSING = "rows that are missing on one side only"
_HOUR = 3_600_000_000
_QUARTERS = range(-14 * 4, 14 * 4 + 1)  # time zones are apart by quarters of an hour
_NOBODY = np.iinfo(np.int64).min


def explain_expiry(reads: Sequence[ViewReads], ttl: timedelta | None) -> str:
    """Names the faults that explain which rows were usable to the endpoint, by their age.

    Args:
        reads: of the view. Rows of entities that the publication lacks say nothing.
        ttl: of the view.
    """
    age = np.concatenate([read.age for read in reads])
    served = np.concatenate([read.served for read in reads])
    served, age = served[age != _NOBODY], age[age != _NOBODY]
    limit = np.iinfo(np.int64).max if ttl is None else ttl // timedelta(microseconds=1)
    named = [text for text in (_other_ttl(age, served), _shift(age, served, limit)) if text is not None]
    return ", or ".join(named) if named else MISSING


def _other_ttl(age: NDArray[np.int64], served: Flags) -> str | None:
    """Rows were usable from their event time up to some age, which is the TTL."""
    happened = age >= 0
    oldest = int(age[served].max(initial=0))
    youngest = int(age[~served & happened].min(initial=np.iinfo(np.int64).max))
    if (served & ~happened).any() or oldest >= youngest:
        return None
    least = f"at least {_span(oldest)}" if served.any() else ""
    most = f"less than {_span(youngest)}" if youngest < np.iinfo(np.int64).max else ""
    return f"another TTL: {' and '.join(text for text in (least, most) if text)}"


def _shift(age: NDArray[np.int64], served: Flags, limit: int) -> str | None:
    """Rows were usable as if all were asked for some hours later, or earlier."""
    for quarters in sorted(_QUARTERS, key=abs):
        shifted = age + quarters * (_HOUR // 4)
        if quarters and (((shifted >= 0) & (shifted <= limit)) == served).all():
            return f"times shifted by at least {quarters / 4:+g} h"
    return None


def _span(microseconds: int) -> str:
    hours = microseconds / _HOUR
    return f"{hours / 24:.4g} d" if hours >= 48 else f"{hours:.3g} h"
