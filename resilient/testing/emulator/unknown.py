"""How a name is refused that nothing has."""

from collections.abc import Collection

from resilient.config.spelling import did_you_mean


def unknown(what: str, name: str, known: Collection[str]) -> ValueError:
    """Return the error that says which names there are, and which one was meant."""
    hint = did_you_mean(name, known)
    listing = f"{' There' if hint else '; there'} are {', '.join(known)}"
    return ValueError(f"there is no {what} {name!r}{hint}{listing}")
