"""XML to what it would be as JSON, in few steps whatever the body, and without XML's traps.

With expat alone. The usual safe parser is written in Python, and namespaces copy their name for
every element: 64 KiB took it up to 300 ms. What makes it safe is here, too: a DTD ends the
reading, so no entity is ever declared, let alone expanded or fetched.
"""

from typing import Any
from xml.parsers import expat

import attrs

DEEPEST = 32
"""How many levels below the root are followed."""

MOST_ELEMENTS = 1000
"""How many elements are kept; what follows must still be well formed, and says nothing."""


class _HasDTD(Exception):
    """The document declares something."""


def parse(text: str) -> Any:
    """Return the root as JSON would have it, or None if this is no XML that can be trusted.

    An element is its text, or its children by their names without prefix; several of one name
    are a list. Attributes, and text between elements, are left out.
    """
    parser = expat.ParserCreate()
    kept = _Kept(parser)
    try:
        # As text, not bytes: an encoding declaration cannot choose a codec.
        parser.Parse(_undeclared(text), True)
    except (expat.ExpatError, _HasDTD, ValueError):
        return None
    finally:
        kept.stop()  # else the two would keep each other
    return kept.root()


def _undeclared(text: str) -> str:
    start = text.lstrip()
    return start.partition("?>")[2] if start.startswith("<?xml") else start


@attrs.define(eq=False)
class _Kept:
    """What was read so far.

    Attributes:
        parser: Is stopped from telling more once there is enough.
        names: Of the elements that are open.
        children: Of each of them by name, if it has any; first of the document itself.
        words: The text since the last tag.
        depth: How many elements are open, those too deep to be kept among them.
        left: How many may still be opened.
    """

    parser: expat.XMLParserType
    names: list[str] = attrs.field(factory=list)
    children: list[dict[str, Any] | None] = attrs.field(factory=lambda: [{}])
    words: list[str] = attrs.field(factory=list)
    depth: int = 0
    left: int = MOST_ELEMENTS

    def __attrs_post_init__(self) -> None:
        self.parser.buffer_text = self.parser.ordered_attributes = True
        self.parser.StartDoctypeDeclHandler = self._declares
        self.parser.StartElementHandler = self._opens
        self.parser.EndElementHandler = self._closes
        self.parser.CharacterDataHandler = self.words.append

    def stop(self) -> None:
        """Be told nothing more."""
        self.parser.StartDoctypeDeclHandler = None
        self.parser.StartElementHandler = None
        self.parser.EndElementHandler = None
        self.parser.CharacterDataHandler = None

    def root(self) -> Any:
        """Return the outermost element; what is still open ends here."""
        while self.names:
            self._add(self.names.pop())
        return next(iter((self.children[0] or {}).values()))

    def _declares(self, *_: object) -> None:
        raise _HasDTD

    def _opens(self, name: str, _: object) -> None:
        self.depth += 1
        self.left -= 1
        if self.depth <= DEEPEST + 1:
            self.names.append(name)
            self.children.append(None)
            self.words.clear()
        if not self.left:
            self.stop()

    def _closes(self, _: object) -> None:
        self.depth -= 1
        if self.depth <= DEEPEST:
            self._add(self.names.pop())

    def _add(self, name: str) -> None:
        value: Any = self.children.pop() or "".join(self.words).strip()
        self.words.clear()
        local, around = name.rpartition(":")[2], self.children[-1]
        if around is None:
            self.children[-1] = {local: value}
        elif local not in around:
            around[local] = value
        elif isinstance(around[local], list):
            around[local].append(value)
        else:
            around[local] = [around[local], value]
