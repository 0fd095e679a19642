"""`resilient emulate NAME`: serve a catalog on the loopback until Ctrl-C."""

import asyncio
import contextlib
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from resilient.config import units

if TYPE_CHECKING:
    from resilient.testing import Emulator


def command(
    name: Annotated[str, typer.Argument(help="A shipped catalog, or a path to yours.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 0,
    host: Annotated[str, typer.Option(help="An address of the loopback.")] = "127.0.0.1",
    *,
    limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help="Refuse calls over a limit.")
    ] = True,
    retry_after: Annotated[
        bool, typer.Option("--retry-after", help="Say when there will be room, in seconds.")
    ] = False,
    retry_after_form: Annotated[
        str, typer.Option(metavar="FORM", help="Say it as seconds, imf-fixdate, rfc850, asctime.")
    ] = "",
    ban: Annotated[float, typer.Option("--ban", min=0, help="Seconds that a ban lasts.")] = 300.0,
    token_lifetime: Annotated[
        float, typer.Option(min=0, help="Seconds that an access token or a session lives.")
    ] = 86400.0,
    rotation: Annotated[
        str, typer.Option(help="Of refresh tokens: none, single_use or family.")
    ] = "single_use",
    latency: Annotated[
        str, typer.Option(metavar="TIME[-TIME]", help="Before each reply, such as 10ms-60ms.")
    ] = "0",
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=SHARE]", help="On the wire, such as reset=5%; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of latencies and faults.")] = 0,
) -> None:
    """Serve a catalog: answers, limits, bans and tokens as the vendor documents them."""
    _check_host(host)
    try:
        emulator = _emulator(
            name,
            limits=limits,
            retry_after=retry_after_form or retry_after,
            ban_length=ban,
            token_lifetime=token_lifetime,
            rotation=rotation,
            latency=_latency(latency),
            faults=dict(_fault(each) for each in fault or ()),
            seed=seed,
            host=host,
            port=port,
        )
    except ValueError as error:
        _fail(str(error))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(emulator))
    except OSError as error:
        _fail(f"cannot listen on {host} port {port}: {error.strerror or error}")


def _emulator(name: str, **keys: Any) -> "Emulator":
    from resilient.config.build_catalog import is_path
    from resilient.testing import Emulator

    return Emulator(Path(name) if is_path(name) else name, **keys)


async def _serve(emulator: "Emulator") -> None:
    async with emulator:
        typer.echo(f"{emulator.catalog.name} on {emulator.url}, until Ctrl-C")
        typer.echo("point a service of your configuration at it:")
        typer.echo(f'    hosts: ["{emulator.host}"]')
        await asyncio.get_running_loop().create_future()


def _latency(text: str) -> tuple[float, float]:
    low, dash, high = text.partition("-")
    ends = units.seconds(low), units.seconds(high if dash else low)
    if ends[0] is None or ends[1] is None:
        raise ValueError(f"--latency is {text!r}: it takes a time or a range, as 30ms or 10ms-60ms")
    return ends[0], ends[1]


def _fault(text: str) -> tuple[str, float]:
    name, equals, share = text.partition("=")
    return name, _share(share) if equals else 1.0


def _share(text: str) -> float:
    percent = units.number(text.removesuffix("%")) if text.endswith("%") else None
    share = units.share(text) if percent is None else percent / 100
    if share is None:
        raise ValueError(f"{text!r} is no share of the requests: it takes 5%, 0.05 or 1/20")
    return float(share)


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
