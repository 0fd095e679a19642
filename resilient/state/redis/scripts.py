"""The scripts that run inside Redis, each with the parts that it shares with others."""

from hashlib import sha1
from importlib.resources import files
from typing import Final

import attrs

_PLACE: Final = files("resilient.state.redis").joinpath("lua")


@attrs.frozen
class Script:
    """A script.

    Attributes:
        name: What it does, for messages.
        text: Its source.
        sha: How Redis calls it.
    """

    name: str
    text: str = attrs.field(repr=False)
    sha: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        digest = sha1(self.text.encode(), usedforsecurity=False)
        object.__setattr__(self, "sha", digest.hexdigest())


def _script(*parts: str) -> Script:
    texts = (_PLACE.joinpath(f"{part}.lua").read_text("utf-8") for part in parts)
    return Script(parts[-1], "\n".join(texts))


_GATES: Final = ("read", "scope", "bucket", "quota", "line", "passage", "view")

ADMIT: Final = _script(*_GATES, "admit")
SETTLE: Final = _script(*_GATES, "ending", "settle")
RELEASE: Final = _script("read", "scope", "release")
SEEN: Final = _script("seen")
NAMES: Final = _script("names")
LEASE: Final = _script("lease")
