"""Lists of addresses that others at the site use: read, checked as a whole, and kept out.

One line each: an address, a range ``first-last`` or a CIDR, then who has it. Empty
lines, and what follows a ``#``, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from abaca.db.foreign_addresses import ForeignAddresses
from abaca.errors import BadRequest, InvalidNetwork
from abaca.network import ipam
from abaca.network.plugin import AddressPool, IPAddress

MOST = 65536
"""Addresses in one list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a list."""

    number: int
    first: IPAddress
    last: IPAddress
    who: str

    def __iter__(self) -> Iterator[IPAddress]:
        """Its addresses."""
        kind = type(self.first)
        return (kind(item) for item in range(int(self.first), int(self.last) + 1))


def keep_out(store: ForeignAddresses, pools: Sequence[AddressPool], text: str, *, who: str) -> int:
    """Keep all addresses of the list out of the pools of one network; how many it has.

    ``who`` has those whose line does not say. Again is the same. BadRequest, with a line for
    each line of the list that is wrong, if any is; then nothing is kept out.
    """
    lines, faults = _read(text, who)
    by_address: dict[IPAddress, Line] = {}
    by_pool: dict[str, dict[IPAddress, str]] = {pool.name: {} for pool in pools}
    for line in lines:
        if len(by_address) + int(line.last) - int(line.first) >= MOST:
            raise BadRequest(f"line {line.number}: more than {MOST} addresses; write fewer")
        pool, fault = _place(line, pools)
        again = next((item for item in line if item in by_address), None)
        if again is not None:
            fault = f"{again} is on line {by_address[again].number} already"
        if pool is None or fault:
            faults.append((line.number, fault))
            continue
        for address in line:
            by_address[address] = line
            by_pool[pool.name][address] = line.who
    _refuse(faults)
    held = store.keep_out(by_pool)
    _refuse(
        [
            (by_address[address].number, f"{address} is held by share server {owner}")
            for address, owner in held.items()
        ]
    )
    return len(by_address)


def let_in(store: ForeignAddresses, pools: Sequence[AddressPool], texts: Sequence[str]) -> int:
    """Have these addresses or ranges given out again; how many were kept out."""
    kept = {item.address for item in store.listed([pool.name for pool in pools])}
    wanted: set[IPAddress] = set()
    for text in texts:
        first, last = _range(text)
        wanted |= {
            item
            for item in kept
            if item.version == first.version and int(first) <= int(item) <= int(last)
        }
    return store.let_in([pool.name for pool in pools], wanted)


def _range(text: str) -> tuple[IPAddress, IPAddress]:
    try:
        return ipam.parse_range(text)
    except InvalidNetwork as error:
        raise BadRequest(str(error)) from error


def _read(text: str, who: str) -> tuple[list[Line], list[tuple[int, str]]]:
    lines, faults = [], []
    for number, written in enumerate(text.splitlines(), 1):
        words = written.partition("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        try:
            first, last = _range(words[0])
        except BadRequest as error:
            faults.append((number, error.message))
            continue
        lines.append(Line(number=number, first=first, last=last, who=" ".join(words[1:]) or who))
    return lines, faults


def _place(line: Line, pools: Sequence[AddressPool]) -> tuple[AddressPool | None, str]:
    """The pool whose network has the line's addresses, and what is wrong with them."""
    for pool in pools:
        if pool.cidr is None or line.first not in pool.cidr or line.last not in pool.cidr:
            continue
        span = range(int(line.first), int(line.last) + 1)
        reserved = [item for item in sorted(pool.reserved, key=int) if int(item) in span]
        if reserved:
            return pool, (
                f"{reserved[0]} is a gateway, router, network or broadcast address: nobody is "
                "given it anyway"
            )
        return pool, ""
    spelled = str(line.first) if line.first == line.last else f"{line.first}-{line.last}"
    cidrs = ", ".join(str(pool.cidr) for pool in pools if pool.cidr is not None)
    return None, f"{spelled} is not inside {cidrs}"


def _refuse(faults: Sequence[tuple[int, str]]) -> None:
    if faults:
        told = [f"line {number}: {fault}" for number, fault in sorted(faults)]
        raise BadRequest("\n".join([*told, "nothing was imported"]))
