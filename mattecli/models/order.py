"""What a download is asked for, and which addresses it may have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mattecli.errors import UsageError

__all__ = ["Order", "check_order", "is_web_address"]

_LONGEST_STALL = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to download.

    Attributes:
        address: where from; ``http`` only where ``insecure`` allows it.
        part: the file to write to; one of an earlier try is continued where that is safe.
        size: exact size in bytes, None where unknown.
        sha256: digest in hex, "" where unknown.
        insecure: plain ``http`` is accepted, for addresses that the user typed.
        stall: seconds without a byte after which a connection is given up.
        tries: connections that are tried before giving up.
        pause: seconds between two tries.
    """

    address: str
    part: Path
    size: int | None = None
    sha256: str = ""
    insecure: bool = False
    stall: float = 30.0
    tries: int = 3
    pause: float = 1.0


def check_order(order: Order) -> None:
    """Check what a user may have typed.

    Raises:
        UsageError: the address is no web address, or ``stall`` is out of range.
    """
    if not is_web_address(order.address, order.insecure):
        kind = "http or https" if order.insecure else "https"
        raise UsageError(
            f"{order.address} is no {kind} address",
            remedy="spaces and letters beyond ASCII are written as %20 and the like",
        )
    if not 0 < order.stall <= _LONGEST_STALL:
        raise UsageError(
            f"{order.stall:g} seconds without data cannot be waited for",
            remedy=f"give at most {_LONGEST_STALL:g}",
        )


def is_web_address(address: str, insecure: bool) -> bool:
    """Whether a download may begin at, or be led to, ``address``; by ``http`` if ``insecure``."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:  # brackets that are no address, a port that is no number
        return False
    plain = address.isascii() and address.isprintable() and " " not in address
    return (
        plain
        and bool(parts.hostname)
        and parts.scheme in ({"https", "http"} if insecure else {"https"})
    )
