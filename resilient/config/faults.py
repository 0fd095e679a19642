"""The faults of one document, each at its place, as they are found."""

import attrs

from resilient.config.yaml_source import Document, Path, fault
from resilient.errors import Fault


@attrs.define
class Faults:
    """Collects faults, each at the place of a path."""

    document: Document
    found: list[Fault] = attrs.field(factory=list)

    def add(self, path: Path, problem: str, *, of: str = "value") -> None:
        """Note a fault, unless what it is about was faulty already."""
        if self.document.is_sound(path):
            self.found.append(fault(self.document.place(path, of=of), problem))
