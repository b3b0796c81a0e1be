"""Which addresses a request that a stranger asks for may go to: public ones only."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# RFC 6052 and RFC 8215: IPv6 addresses that stand for the IPv4 address in their last 32 bits.
TRANSLATED = ip_network("64:ff9b::/96")
# What `is_global` lets through in some versions of Python, though nobody's server is there: IETF
# protocol assignments, the relays and addresses of 6to4 (RFC 7526), Teredo, NAT64 within a site,
# and the long gone IPv4-compatible and site-local addresses.
NOBODYS = tuple(
    ip_network(each)
    for each in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2002::/16",
        "2001::/32",
        "64:ff9b:1::/48",
        "::/96",
        "fec0::/10",
    )
)


def is_public(text: str) -> bool:
    """Tell whether an address is one that anybody on the internet may have; False if it is none."""
    try:
        address = _meant(ip_address(text))
    except ValueError:
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in NOBODYS)
    )


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id:
        raise ValueError("an address of one link")
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address
