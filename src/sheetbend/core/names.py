"""Which text can be a name or an id: all that is in it is seen, so that no two differ by something that isn't.

Not told apart are letters that only look alike: that takes a dictionary of scripts, and members have ids for it.
`web/app/src/unseen.ts` is the twin; both are held to protocol/fixtures/names.json.
"""

from __future__ import annotations

import unicodedata

__all__ = ["is_printable", "shows_something"]

_JOINERS = frozenset("\u200c\u200d")
_JOINED = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
"""What joiners do something between: emoji, and the letters of scripts without capitals."""
_SELECTED = frozenset({"Lo", "So", "Sm", "Po", "Pd"})
"""What variation selectors do something behind, beyond ASCII."""
_KEYCAP = "\u20e3"
_INFORMATION = "\u2139"
"""The one emoji that is a letter."""
_SEEN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Unicode's Prepended_Concatenation_Mark: signs around numbers, of category Cf all the same."""
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u2800\u3164\uffa0")
"""Letters and marks that are drawn as nothing."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_printable(text: str) -> bool:
    """Whether every character of `text` is shown, or changes how its neighbours are."""
    if text.isascii():
        return text.isprintable()
    framed = f" {text} "
    return all(map(_is_seen, framed, text, framed[2:]))


def shows_something(text: str) -> bool:
    """Whether there is more than spaces and marks in `text`."""
    return any(unicodedata.category(char)[0] not in "MZ" for char in text)


def _is_seen(before: str, char: str, after: str) -> bool:
    if char in _JOINERS:
        return unicodedata.category(before) in _JOINED and unicodedata.category(after) in _JOINED
    if "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        if before.isascii():
            return after == _KEYCAP
        return before == _INFORMATION or unicodedata.category(before) in _SELECTED
    if char in _BLANKS or "\ufff0" <= char <= "\ufff8" or "\U000e0000" <= char <= "\U000e0fff":
        return False
    return char in _SEEN_FORMATS or unicodedata.category(char) not in _UNSEEN
