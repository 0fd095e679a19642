"""`resilient emulate NAME`: serve a catalog on the loopback until Ctrl-C."""

import asyncio
import contextlib
from collections.abc import Iterable
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
    hints: Annotated[
        bool, typer.Option("--hints", help="Say in each answer how the limits stand.")
    ] = False,
    ban: Annotated[str, typer.Option(metavar="TIME", help="How long a ban lasts.")] = "5m",
    token_lifetime: Annotated[
        str, typer.Option(metavar="TIME", help="How long an access token or a session lives.")
    ] = "24h",  # noqa: S107 - a time
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
    try:
        emulator = _emulator(
            name,
            limits=limits,
            retry_after=retry_after_form or retry_after,
            hints=hints,
            ban_length=_time("--ban", ban),
            token_lifetime=_time("--token-lifetime", token_lifetime),
            rotation=rotation,
            latency=_latency(latency),
            faults=_faults(fault or ()),
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
    from resilient.config.files import is_path, kind_of_source
    from resilient.testing import Emulator

    if not is_path(name):
        return Emulator(name, **keys)
    if kind_of_source(name) == "services":
        raise ValueError(
            f"{name} is a configuration: give the catalog that one of its services has, such as hh"
        )
    return Emulator(Path(name), **keys)


async def _serve(emulator: "Emulator") -> None:
    async with emulator:
        typer.echo(f"{emulator.catalog.name} on {emulator.url}, until Ctrl-C")
        typer.echo("point a service of your configuration at it:")
        typer.echo(f'    hosts: ["{emulator.host}"]')
        await asyncio.get_running_loop().create_future()


def _time(option: str, text: str) -> float:
    found = units.seconds(text)
    if found is None:
        raise ValueError(f"{option} is {text!r}: it takes a time, such as 60s, 5m or 24h")
    return found


def _latency(text: str) -> tuple[float, float]:
    first, dash, last = text.partition("-")
    low, high = units.seconds(first), units.seconds(last if dash else first)
    # Of 10-20ms nobody can tell whether the 10 are seconds.
    told_apart = not low or not dash or _has_unit(first) == _has_unit(last)
    if low is None or high is None or low > high or not told_apart:
        raise ValueError(
            f"--latency is {text!r}: it takes a time or a range from low to high, each end with "
            "its unit, such as 30ms or 10ms-60ms"
        )
    return low, high


def _has_unit(text: str) -> bool:
    return text.strip()[-1:].isalpha()


def _faults(texts: Iterable[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, share = _fault(text)
        if name in found:
            raise ValueError(f"--fault {name} is given twice: say its share once")
        found[name] = share
    return found


def _fault(text: str) -> tuple[str, float]:
    name, equals, share = text.partition("=")
    return name, _share(share) if equals else 1.0


def _share(text: str) -> float:
    percent = units.number(text.removesuffix("%")) if text.endswith("%") else None
    share = units.share(text) if percent is None else percent / 100
    if share is None:
        raise ValueError(f"{text!r} is no share of the requests: it takes 5%, 0.05 or 1/20")
    return float(share)


def _fail(message: str) -> NoReturn:
    typer.echo(f"resilient emulate: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)
