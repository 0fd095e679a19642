"""Right files of every kind: what is shipped, what the pages show, and one that says all."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import yaml
from manual import named
from schema_walk import ROOTS, members

from resilient.config import schema
from resilient.config.resources import Kind, builtin, names

SERVICES = """\
version: 1
services:
  mail:
    catalog: unisender
    policies:
      retry: {action: retry, attempts: 3, delay: {base: 100ms, cap: 10s}}
      slowly:
        action: back_off
        delay:
          base: 2s
          cap: 1m
        max_wait: 90
    mode: observe
    hosts: ["127.0.0.1:8099", api.example]
    credential: {env: UNISENDER_KEY}
    errors:
      not_enough_money: block_warning
      retry_later:
        - policy: retry
          status: [503, 504]
          method: POST
        - {policy: slowly, name: later, wait: 5s, processed: false}
    statuses:
      404: none
      423: {policy: back_off, scope: ip, meaning: Locked.}
    endpoints: {getLists: {idempotent: true}}
    limits:
      calls: {rate: 600/min, burst: 5, jitter: 50ms, per: [credential, ip]}
      sendEmail: off
    ban: {after: 3, within: 1m, in_flight: strict}
    share: 1/4
    timeout: 60s
    attempt_timeout: 10s
    on_error: return
    max_queue: 100
    report_wait: 2s
    adaptive: false
    retry_budget: {ratio: 0.2, floor: 5}
    egress: office-nat
  jobs:
    catalog: hh
    credential_from: host
    ban: off
    share: 0.5
store:
  url: redis://:secret@localhost:6379/0
  mode: fail_open
  timeout: 100ms
  prefix: ours
"""
_KIND_OF = {
    "services": schema.ConfigKeys,
    "catalog": schema.CatalogKeys,
    "policies": schema.PolicySetKeys,
}


@attrs.frozen
class Good:
    """A right file: `root` is the class of what it holds."""

    name: str
    root: type
    text: str

    def load(self, file: Path, text: str) -> object:
        """Load another text as this file."""
        file.write_text(text, "utf-8")
        return ROOTS[self.root](file)


def good_files() -> list[Good]:
    """Return what is shipped, what the pages show, and a configuration that says everything."""
    kinds: dict[Kind, type] = {"catalogs": schema.CatalogKeys, "policies": schema.PolicySetKeys}
    shipped = [
        Good(f"{kind}/{name}", root, builtin(kind).joinpath(f"{name}.yaml").read_text("utf-8"))
        for kind, root in kinds.items()
        for name in names(kind)
    ]
    shown = [
        Good(str(block), next(root for key, root in _KIND_OF.items() if key in keys), block.text)
        for block in named("yaml")
        if "fragment" not in block.words
        for keys in [yaml.safe_load(block.text)]
    ]
    return [*shipped, *shown, Good("services", schema.ConfigKeys, SERVICES)]


@attrs.frozen(eq=False)
class Pair:
    """A key of the schema in a file, with its value.

    Attributes:
        owner: The class that the key is of.
        kinds: What the value may be.
        parent: The mapping that it stands in.
        at: Its index there.
    """

    owner: type
    kinds: tuple[Any, ...]
    required: bool
    parent: yaml.MappingNode
    at: int

    @property
    def key(self) -> yaml.ScalarNode:
        """The key."""
        found: yaml.ScalarNode = self.parent.value[self.at][0]
        return found

    @property
    def value(self) -> yaml.Node:
        """The value."""
        found: yaml.Node = self.parent.value[self.at][1]
        return found


@cache
def pairs(good: Good) -> tuple[Pair, ...]:
    """Return the pairs of a file whose keys are the schema's."""
    root = yaml.compose(good.text, Loader=yaml.SafeLoader)
    assert root is not None
    return tuple(_pairs(root, good.root))


def _pairs(node: yaml.Node, hint: Any) -> Iterator[Pair]:
    kinds, many = members(hint)
    if many and isinstance(node, yaml.SequenceNode):
        for item in node.value:
            for kind in kinds:
                yield from _pairs(item, kind)
    if not isinstance(node, yaml.MappingNode):
        return
    for kind in kinds:
        if get_origin(kind) is Mapping:
            for _, value in node.value:
                yield from _pairs(value, get_args(kind)[1])
        elif attrs.has(kind):
            fields = {field.name.rstrip("_"): field for field in attrs.fields(kind)}
            hints = get_type_hints(kind)
            for at, (key, value) in enumerate(node.value):
                field = fields[key.value]
                required = field.default is attrs.NOTHING
                inside = members(hints[field.name])[0]
                yield Pair(kind, inside, required, node, at)
                yield from _pairs(value, hints[field.name])
