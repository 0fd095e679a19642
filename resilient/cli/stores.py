"""What `check` says of the store: what is shared, and what happens while it does not answer."""

from collections.abc import Iterator

from resilient.catalog import Catalog
from resilient.cli.terminal import in_words
from resilient.config.extras import need_redis
from resilient.config.service import Config, Secret, Service, SharedStore, StoreMode
from resilient.errors import ConfigError

_WITHOUT: dict[StoreMode, str] = {
    "local_share": "each process keeps its part of every limit: "
    "the whole, divided by the instances that were seen in the last minute",
    "fail_open": "each process keeps every limit by itself: "
    "as many times the whole as there are processes",
    "fail_closed": "calls raise NotSent at once",
}


def about_store(config: Config) -> Iterator[str]:
    """Yield what is to be known of a configuration's store, in lines."""
    store = config.store
    if store is None:
        yield "store: memory, so limits, pauses and blocks hold for one process"
        return
    yield (
        f"store: {_place(store)}, so limits, pauses, refusals and blocks hold for all processes "
        "that name it"
    )
    yield (
        f"  without an answer within {in_words(store.timeout)}: "
        f"{store.mode}, {_WITHOUT[store.mode]}"
    )
    for service in config.services:
        yield from _about_service(service)
    try:
        need_redis()
    except ConfigError as error:
        yield f"  warning: {error}"


def _place(store: SharedStore) -> str:
    """Return where it is, without passwords; what is written elsewhere is not looked up."""
    if isinstance(store.url, Secret):
        return f"where {store.url.place} says"
    return store.read().shown


def _about_service(service: Service) -> Iterator[str]:
    if service.share != 1:
        yield (
            f"  warning: {service.name} takes {service.share} of the limits "
            "that are shared already: leave 'share' out"
        )
    if service.egress is None and _knows_addresses(service.catalog):
        yield (
            f"  {service.name} counts per address, and takes each machine for one: "
            "name the 'egress' where several have the same"
        )


def _knows_addresses(catalog: Catalog) -> bool:
    per = {kind for limit in catalog.limits for kinds in limit.per for kind in kinds}
    return "ip" in per | {catalog.scope_of(each) for each in catalog.entries}
