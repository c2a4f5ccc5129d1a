"""Which addresses a source may have: what a base URL and a path may look like, and which IP addresses may be dialled.

Owns the rules against server-side request forgery; pure, nothing here resolves or connects. Called when a source is configured (base URL, headers,
path templates), for each request (`fill`, `target`), and by `gateway.sources.http` for every address that a name resolves to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from gateway.errors import ConfigurationError

__all__ = [
    "Base",
    "UnsafeKey",
    "checked_base_url",
    "checked_headers",
    "checked_template",
    "dialable",
    "fill",
    "parsed_base",
    "relative",
    "target",
]

IPAddress = IPv4Address | IPv6Address


class UnsafeKey(ValueError):
    """A key that would change the path it is put into, on this side or behind a proxy that decodes it once more: no such person is asked for."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base URL that passed. `host`: lower case, an IPv6 address without brackets. `path`: without a slash at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As it stands in the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, normalized."""
        return f"{self.scheme}://{self.authority}{self.path}"


_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65535
_LONGEST_URL: Final = 2000
_LONGEST_NAME: Final = 253
_LONGEST_TARGET: Final = 8000
_URL: Final = re.compile(
    r"(?P<scheme>[a-z]+)://(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#]*)?"
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes browsers and C libraries read the whole host as an IPv4 address."""
_TARGET: Final = re.compile(
    r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)
_SLOT: Final = "{key}"
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,8190}[\x21-\x7e])?")
_OWN_HEADERS: Final = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""What says how a message is framed or for whom: ours alone."""


# Base URLs, headers, paths


def checked_base_url(text: str, *, allow_private: bool = False) -> str:
    """The base URL of a source, normalized.

    Raises:
        ConfigurationError: it is none that the gateway connects to; the message never repeats it, since it may hold a password.
    """
    return parsed_base(text, allow_private=allow_private).url


def parsed_base(text: str, *, allow_private: bool = False) -> Base:
    """The parts of a base URL. Raises as `checked_base_url`."""
    if len(text) > _LONGEST_URL or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise _wrong("may have no blanks, line breaks, backslashes or characters beyond ASCII (write an international name as xn--…)")
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in _PORTS:
        raise _wrong("begins with https:// or http://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise _wrong("has no user name and no password in it: put them into a header, from a secret")
    if "#" in text or "?" in text:
        raise _wrong("has no query and no fragment")
    match = _URL.fullmatch(scheme.lower() + "://" + authority.lower() + rest[len(authority) :])
    if match is None:
        raise _wrong("is scheme://host, with a port and a path if need be")
    port = int(match["port"]) if match["port"] else _PORTS[match["scheme"]]
    if not 0 < port <= _LAST_PORT:
        raise _wrong("has a port that does not exist")
    path = (match["path"] or "").rstrip("/")
    if path and not _is_target(path):
        raise _wrong("has a path with . or .. or characters that must be percent-encoded")
    return Base(match["scheme"], _host(match["six"], match["name"], allow_private=allow_private), port, path)


def _host(six: str | None, name: str | None, *, allow_private: bool) -> str:
    text = six or name or ""
    if six is not None or _NUMBER.fullmatch(text.rpartition(".")[2]):
        try:
            address = ip_address(text)
        except ValueError:  # also 127.1, 0177.0.0.1, 0x7f.1 and 2130706433
            raise _wrong("has a host that is no IP address as it is usually written, and no name either") from None
        if dialable(text, allow_private=allow_private) is None:
            raise _wrong("has an address that is not public; if it is meant, set allow_private = true (link-local ones are never dialled)")
        return str(address)
    if len(text) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise _wrong("has a host that is no name")
    if not allow_private and (text == "localhost" or text.endswith(".localhost")):
        raise _wrong("has an address that is not public; if it is meant, set allow_private = true")
    return text


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"a source's base URL {what}")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that may be configured, their names in lower case.

    Raises:
        ConfigurationError: a name or a value that would break out of its line, or a header that frames the message. Values are not repeated.
    """
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise ConfigurationError("a source's header has a name with characters that no header has")
        if name.lower() in _OWN_HEADERS:
            raise ConfigurationError(f"a source's header {name} is the gateway's own and cannot be configured")
        if not _VALUE.fullmatch(value):
            raise ConfigurationError(f"a source's header {name} has a value that is empty or has line breaks or characters beyond ASCII")
        checked[name.lower()] = value
    return checked


def checked_template(template: str) -> str:
    """A path, with `{key}` where the person's key goes: "/users/{key}/traits".

    Raises:
        ConfigurationError: it is no path, or one that leaves the base URL.
    """
    if not _is_target(template.replace(_SLOT, "key")):
        raise ConfigurationError(
            f'the path {template[:100]!r} is not one: it begins with one "/", has no . or .. as a step, no #, and {{key}} as its only placeholder'
        )
    return template


def fill(template: str, key: str) -> str:
    """The path for a person, the key percent-encoded. It stays one step of the path, whoever decodes it and however often.

    Raises:
        UnsafeKey: no encoding makes this key one step of a path: it has a slash in it, or is `..`, also behind percent signs.
    """
    path, mark, query = template.partition("?")
    if _SLOT in path and not _is_one_step(key):
        raise UnsafeKey("a key that would change the path is not asked for")
    encoded = quote(key, safe="", errors="strict")
    return path.replace(_SLOT, encoded) + mark + query.replace(_SLOT, encoded)


def target(base_path: str, path: str) -> str:
    """The path and query as they are sent: `path` is "", or begins with / or ?.

    Raises:
        ValueError: it would leave the base URL, or the line it stands in.
    """
    whole = base_path + path if path.startswith("/") or (base_path and path[:1] in {"", "?"}) else "/" + path
    if path[:1] not in {"", "/", "?"} or path.startswith("//") or not _is_target(whole):
        raise ValueError("not a path below the base URL")
    return whole


def relative(base: Base, link: str) -> str | None:
    """The path below the base URL that a link of an answer leads to ("next page"); None if it leads anywhere else."""
    if link.startswith(("http://", "https://")):
        if not link.startswith(f"{base.scheme}://{base.authority}/"):
            return None
        link = link[len(f"{base.scheme}://{base.authority}") :]
    if not link.startswith(f"{base.path}/") and not link.startswith(f"{base.path}?"):
        return None
    return link[len(base.path) :] if _is_target(link) else None


def _is_target(path: str) -> bool:
    if len(path) > _LONGEST_TARGET or not _TARGET.fullmatch(path) or path.startswith("//"):
        return False
    return all(_is_step(step) for step in path.partition("?")[0].split("/"))


def _is_step(step: str) -> bool:
    return _decoded(step).split(";")[0] not in {".", ".."}


def _is_one_step(key: str) -> bool:
    text = _decoded(key)
    return bool(text) and text.split(";")[0] not in {".", ".."} and not re.search(r"[/\\\x00-\x1f\x7f]", text)


def _decoded(text: str) -> str:
    """What is left when nothing is encoded any more."""
    for _ in range(len(text)):
        before, text = text, unquote_to_bytes(text).decode("utf-8", "replace")
        if text == before:
            break
    return text


# IP addresses


def dialable(address: str, *, allow_private: bool) -> str | None:
    """The address as it may be dialled; None if it must not be.

    Without `allow_private` only public addresses; with it those of private networks and of this machine too. Addresses of the link (where clouds keep
    the credentials of machines), of groups and of no one are never dialled. An IPv4 address inside an IPv6 one counts as what it is, if this
    is a private network; from outside nobody honest is reached like that.
    """
    try:
        ip: IPAddress = ip_address(address)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None and allow_private:
        ip = ip.ipv4_mapped
    if isinstance(ip, IPv4Address):
        public = not any(ip in network for network in _NOT_PUBLIC_4)
        private = any(ip in network for network in _PRIVATE_4)
    else:
        public = ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)
        private = any(ip in network for network in _PRIVATE_6)
    if str(ip) in _METADATA or not (public or (private and allow_private)):
        return None
    return str(ip)


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(one) for one in text.split())


_NOT_PUBLIC_4: Final = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 "
    "198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
)
"""The IANA registry of special addresses, all groups and all that is reserved. Our own list: `is_global` differs among versions of Python."""
_PRIVATE_4: Final = _networks("10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15")
_PUBLIC_6: Final = ip_network("2000::/3")
"""All that is given out as global; whatever translates (::ffff:0:0/96, 64:ff9b::/96) lies outside."""
_NOT_PUBLIC_6: Final = _networks("2001::/23 2001:db8::/32 2002::/16 3fff::/20")
"""Teredo and its like, documentation, 6to4."""
_PRIVATE_6: Final = _networks("::1/128 fc00::/7")
_METADATA: Final = frozenset({"169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"})
"""Where clouds answer questions about the machine, also inside networks that are private."""
