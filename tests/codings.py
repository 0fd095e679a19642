"""The content codings that aiohttp undoes, as far as this Python can do them."""

import gzip
import importlib
import zlib
from collections.abc import Callable

Coding = Callable[[bytes], bytes]


def _packer(*modules: str) -> Coding | None:
    """Return the compressor of the first of these packages that is installed."""
    for name in modules:
        try:
            found: Coding = importlib.import_module(name).compress
        except ImportError:
            continue
        return found
    return None


CODINGS: dict[str, Coding | None] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": _packer("brotli", "brotlicffi"),
    "zstd": _packer("compression.zstd", "backports.zstd"),
}
"""What packs a body, by the name of its coding; None: aiohttp needs another package for it."""
