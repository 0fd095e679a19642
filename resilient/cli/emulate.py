"""`resilient emulate NAME`: serve a catalog on the loopback until Ctrl-C."""

import asyncio
import contextlib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from resilient.errors import ConfigError


def command(
    name: Annotated[str, typer.Argument(help="A shipped catalog, or a path to yours.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 0,
    host: Annotated[str, typer.Option(help="An address of the loopback.")] = "127.0.0.1",
    *,
    limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help="Refuse calls over a limit.")
    ] = True,
    retry_after: Annotated[
        bool, typer.Option("--retry-after", help="Say when there will be room.")
    ] = False,
    ban: Annotated[float, typer.Option("--ban", min=0, help="Seconds that a ban lasts.")] = 300.0,
) -> None:
    """Serve a catalog: answers, limits, bans and tokens as the vendor documents them."""
    _check_host(host)
    work = _serve(name, host=host, port=port, limits=limits, retry_after=retry_after, ban=ban)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(work)
    except ConfigError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"cannot listen on {host} port {port}: {error.strerror or error}")


async def _serve(
    name: str, *, host: str, port: int, limits: bool, retry_after: bool, ban: float
) -> None:
    from resilient.config.build_catalog import is_path
    from resilient.testing.emulator import Emulator

    emulator = Emulator(
        Path(name) if is_path(name) else name,
        limits=limits,
        retry_after=retry_after,
        ban_length=ban,
        host=host,
        port=port,
    )
    async with emulator:
        typer.echo(f"{emulator.catalog.name} on {emulator.url}, until Ctrl-C")
        typer.echo("point a service of your configuration at it:")
        typer.echo(f'    hosts: ["{emulator.url.removeprefix("http://")}"]')
        await asyncio.get_running_loop().create_future()


def _check_host(host: str) -> None:
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        _fail(f"{host} is not the loopback: an emulator is for this machine, such as 127.0.0.1")


def _fail(message: str) -> NoReturn:
    typer.echo(f"resilient emulate: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)
