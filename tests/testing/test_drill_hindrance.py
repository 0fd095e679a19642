from pathlib import Path

import attrs
import pytest

from resilient.config import load, resources
from resilient.config.build import one_service
from resilient.testing import Emulator
from resilient.testing.drill.hindrance import Hindrance, asks_to_wait, wait_of

BARE = """\
catalog: bare
source: {document: A page, read: 2026-11-21}
hosts: [api.example]
errors: {E1: {status: 400, policy: fail_fast}}
"""


@pytest.mark.parametrize("name", resources.names("catalogs"))
def test_every_shipped_vendor_can_tell_everybody_to_wait(name: str) -> None:
    """Each has an answer that pauses more than one endpoint."""
    service = one_service(name)
    found = wait_of(service)
    assert not isinstance(found, int)
    assert asks_to_wait(service, found)
    assert "endpoint" != service.catalog.scope_of(found)


@pytest.mark.parametrize(("seconds", "waits"), [(3.0, (1.5,)), (21.0, (7.0, 14.0))])
def test_short_drills_have_one_wait(seconds: float, waits: tuple[float, ...]) -> None:
    """What happens fits into the time that there is."""
    found = Hindrance.of(seconds)
    assert waits == found.waits
    assert all(each < seconds for each in found.errors)


async def test_a_vendor_without_errors_of_its_own(tmp_path: Path) -> None:
    """Where the catalog has none, HTTP's own 503 and 429 are what happens."""
    (tmp_path / "bare.yaml").write_text(BARE)
    file = tmp_path / "my.yaml"
    file.write_text("services: {api: {catalog: ./bare.yaml}}\n")
    (service,) = load(file).services
    async with Emulator(service.catalog) as emulator:
        hindrance = attrs.evolve(Hindrance.of(3.0), errors=(0.0,), waits=(1.0,))
        await hindrance.happen(service, emulator)
        assert [503, 429] == [await status(emulator) for _ in range(2)]


async def status(emulator: Emulator) -> int:
    """Return how a request is answered."""
    import aiohttp

    async with aiohttp.ClientSession() as http, http.get(emulator.url) as response:
        return response.status
