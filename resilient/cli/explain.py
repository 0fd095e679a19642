"""`resilient explain`: what the library would do with a response."""

import re
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from resilient.cli.terminal import refuse, refuse_config, show, show_json
from resilient.cli.wording import told
from resilient.clock import Clock
from resilient.config.build import load
from resilient.config.build_catalog import load_catalog
from resilient.config.files import is_path, kind_of_source
from resilient.config.service import Service
from resilient.config.spelling import did_you_mean
from resilient.errors import ConfigError
from resilient.explain import bare_service, explain
from resilient.reading import LARGEST

_METHOD = re.compile(r"[A-Z]{1,20}", re.ASCII)


def command(
    catalog: Annotated[str, typer.Argument(help="A shipped catalog, or the path of yours.")],
    *,
    config: Annotated[
        Path | None, typer.Option(help="A configuration, for what it overrides.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="Which service of it.")] = None,
    status: Annotated[int, typer.Option(min=100, max=599, help="The HTTP status.")] = 200,
    method: Annotated[str, typer.Option(help="The request's method.")] = "GET",
    url: Annotated[str | None, typer.Option(help="The request's URL, or its path.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="A header of the response, 'Name: value'.")
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="A file with the response's body; - is stdin.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what the library would do with a response."""
    meant = _service(catalog, config, service)
    known_method, known_url = _method(method), _url(url)
    headers = [_header(each) for each in header or ()]
    text, complete = _body(body)
    found = explain(
        meant,
        status=status,
        method=known_method,
        url=known_url,
        headers=headers,
        body=text,
        complete=complete,
        now=Clock().wall(),
    )
    if as_json:
        show_json(found.asdict())
        return
    verdict, *rest = told(found.asdict(), meant)
    show(verdict, style="bold")
    for line in rest:
        show(line)


def _service(catalog: str, config: Path | None, name: str | None) -> Service:
    if is_path(catalog) and kind_of_source(catalog) == "services":
        refuse(
            f"{catalog}: this is a configuration: use --config {catalog} --service NAME, "
            "and the catalog's name in its place"
        )
    try:
        if config is not None:
            return _configured(catalog, config, name)
        if name is not None:
            refuse("--service names a service of a configuration: say which file with --config")
        return bare_service(load_catalog(catalog))
    except ConfigError as error:
        refuse_config(error)


def _configured(catalog: str, file: Path, name: str | None) -> Service:
    services = {each.name: each for each in load(file).services}
    wanted = load_catalog(catalog).name if is_path(catalog) else catalog
    if name is None:
        return _only(wanted, services, file)
    if name not in services:
        hint = did_you_mean(name, list(services)) or f"; there are {', '.join(services) or 'none'}"
        refuse(f"there is no service {name!r} in {file}{hint}")
    found = services[name]
    if found.catalog.name != wanted:
        refuse(f"the service {name!r} has the catalog {found.catalog.name!r}, not {wanted!r}")
    return found


def _only(catalog: str, services: dict[str, Service], file: Path) -> Service:
    fitting = [each for each in services.values() if each.catalog.name == catalog]
    if len(fitting) > 1:
        names = ", ".join(each.name for each in fitting)
        refuse(
            f"several services of {file} have the catalog {catalog!r}: say which with "
            f"--service ({names})"
        )
    if not fitting:
        known = sorted({each.catalog.name for each in services.values()})
        hint = did_you_mean(catalog, known) or f"; there are {', '.join(known) or 'none'}"
        refuse(f"no service of {file} has the catalog {catalog!r}{hint}")
    return fitting[0]


def _method(text: str) -> str:
    method = text.upper()
    if not _METHOD.fullmatch(method):
        refuse(f"--method: {text!r} is no HTTP method")
    return method


def _url(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        refuse(f"--url: {error}")
    if not text.startswith("/") and not parts.hostname:
        refuse("--url: neither a URL (https://host/path) nor a path (/path)")
    return text


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # Not shown: it may hold a credential.
        refuse("--header: expected 'Name: value'")
    return name.strip(), value.strip()


def _body(source: str | None) -> tuple[bytes, bool]:
    """Return what is looked into, and whether that is all."""
    if source is None:
        return b"", True
    try:
        if source == "-":
            found = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(source).open("rb") as file:
                found = file.read(LARGEST + 1)
    except OSError as error:
        refuse(f"--body: {source}: {error.strerror or error}")
    return found[:LARGEST], len(found) <= LARGEST
