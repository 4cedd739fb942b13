"""Numbers on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter, Token

__all__ = ["Whole"]


def _whole(kind: type[int], tokens: Sequence[Token]) -> int:
    """Cyclopts alone would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f'"{tokens[0].value}" is not a whole number.') from None


Whole = Annotated[int, Parameter(converter=_whole)]
