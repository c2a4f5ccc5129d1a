"""Which addresses are dialled, and which base URLs, headers and paths may be configured."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.sources.addresses import (
    UnsafeKey,
    checked_base_url,
    checked_headers,
    checked_template,
    dialable,
    fill,
    parsed_base,
    relative,
    target,
)

__all__: list[str] = []

NEVER = """169.254.169.254 169.254.0.1 100.100.100.200 192.0.0.192 0.0.0.0 0.1.2.3 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
192.0.2.1 198.51.100.7 203.0.113.9 192.88.99.1 fe80::1 ff02::1 :: fd00:ec2::254 ::ffff:169.254.169.254 ::8.8.8.8 64:ff9b::8.8.8.8
64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2002:808:808::1 2001::1 2001:db8::1 3fff::1 100::1 fec0::1 fe80::1%eth0"""
PRIVATE = """127.0.0.1 127.255.255.254 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 198.18.0.1 ::1 fc00::1
fdff::1"""
PUBLIC = "8.8.8.8 1.1.1.1 93.184.216.34 172.32.0.1 172.15.255.255 100.128.0.1 192.0.1.1 2606:4700::1111 2a00:1450::1 2620:4f::1"
NO_ADDRESS = ["", "localhost", "127.1", "0177.0.0.1", "0x7f000001", "2130706433", "127.0.0.1.", "1.2.3.4.5", "[::1]", "12345"]


@pytest.mark.parametrize("address", [*NEVER.split(), *NO_ADDRESS])
def test_some_addresses_are_never_dialled(address: str) -> None:
    """Of the link, of groups, of nobody, for documents, translated ones, and what is no address: not even where private ones are fine."""
    assert dialable(address, allow_private=False) is None
    assert dialable(address, allow_private=True) is None


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses_take_a_word(address: str) -> None:
    """Private networks and this machine are dialled only where a source says so."""
    assert dialable(address, allow_private=False) is None
    assert dialable(address, allow_private=True) == address


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_are_dialled(address: str) -> None:
    """As they are, on both sides of the ranges that are not."""
    assert dialable(address, allow_private=False) == dialable(address, allow_private=True) == address


def test_an_ipv4_address_inside_of_an_ipv6_one_counts_as_what_it_is() -> None:
    """Where private addresses are fine, ::ffff:10.0.0.1 is dialled as 10.0.0.1."""
    assert dialable("::ffff:10.0.0.1", allow_private=True) == "10.0.0.1"
    assert dialable("::ffff:10.0.0.1", allow_private=False) is None


@given(st.integers(0, 2**32 - 1))
def test_what_python_calls_private_is_not_public_to_us(number: int) -> None:
    """Our list is at least as strict as the standard library's, whatever its version."""
    address = ip_address(number)
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        assert dialable(str(address), allow_private=False) is None


BAD_URLS = [
    "",
    "crm.example.com",
    "//crm.example.com",
    "ftp://crm.example.com",
    "file:///etc/passwd",
    "gopher://crm.example.com",
    "unix:///run/x",
    "https://",
    "https:///path",
    "https://user@crm.example.com",
    "https://user:hunter2@crm.example.com",
    "https://crm.example.com@evil.example",
    "https://crm.example.com#@evil.example",
    "https://crm.example.com\\@evil.example",
    "https://crm.example.com/#part",
    "https://crm.example.com/?a=b",
    "https://crm.example.com/a/../b",
    "https://crm.example.com/a/%2e%2e/b",
    "https://crm.example.com/a/%252e%252e/b",
    "https://crm.example.com/a/.%2E;x/b",
    "https://crm.example.com/./b",
    "https://crm.example.com//b",
    "https://crm.example.com/a b",
    "https://crm.example.com/a\r\nX-Evil: 1",
    "https://crm.example.com\r\n",
    "https://crm.example.com/a\tb",
    "https://crm.example.com/\x00",
    "https://crm.example.com/%zz",
    "https://crm.example.com:0",
    "https://crm.example.com:65536",
    "https://crm.example.com:",
    "https://crm.example.com:80:80",
    "https://crm..example.com",
    "https://-crm.example.com",
    "https://crm.example.com.",
    "https://crm_ example.com",
    "https://bücher.example",
    "https://127。0。0。1",
    "https://" + "a" * 64 + ".example",
    "https://" + "a." * 140 + "example",
    "https://127.0.0.1",
    "https://127.1",
    "https://0177.0.0.1",
    "https://0x7f.0.0.1",
    "https://0x7f000001",
    "https://2130706433",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]",
    "https://[::ffff:127.0.0.1]",
    "https://[fe80::1%25eth0]",
    "https://[::1",
    "https://localhost",
    "https://api.localhost:8080",
    "https://10.0.0.1",
    "https://crm.example.com/" + "a" * 2000,
]


@pytest.mark.parametrize("text", BAD_URLS)
def test_fault_132_a_base_url_that_leads_elsewhere_is_refused_when_it_is_configured(text: str) -> None:
    """User names, fragments, line breaks, steps upwards, odd spellings of addresses, other schemes; and the message does not repeat it."""
    with pytest.raises(ConfigurationError) as caught:
        checked_base_url(text)

    assert "hunter2" not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("https://crm.example.com", "https://crm.example.com"),
        ("HTTPS://CRM.Example.com:443/API/v1/", "https://crm.example.com/API/v1"),
        ("http://crm.example.com:8080/a%20b/~c", "http://crm.example.com:8080/a%20b/~c"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://8.8.8.8:8443", "https://8.8.8.8:8443"),
        ("https://[2606:4700:0::1111]/x", "https://[2606:4700::1111]/x"),
    ],
)
def test_a_base_url_is_normalized(text: str, normalized: str) -> None:
    """Scheme and host in lower case, no default port, no slash at the end."""
    assert checked_base_url(text) == normalized


@pytest.mark.parametrize(
    "text", ["http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:9", "http://crm.internal", "http://10.1.2.3"]
)
def test_a_private_base_url_takes_a_word(text: str) -> None:
    """Where private addresses are allowed, they may be configured; never those of the link."""
    assert checked_base_url(text, allow_private=True) == text
    with pytest.raises(ConfigurationError):
        checked_base_url("http://169.254.169.254", allow_private=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Key", "a\r\nX-Evil: 1"),
        ("X-Key", "a\n"),
        ("X-Key", "a\x00b"),
        ("X-Key", " a"),
        ("X-Key", ""),
        ("X-Key", "schlüssel"),
        ("X-Key", "a" * 9000),
        ("X Key", "a"),
        ("X-Key:", "a"),
        ("X-Key\r\nX-Evil", "a"),
        ("", "a"),
        ("Host", "evil.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Accept-Encoding", "br"),
    ],
)
def test_fault_132_a_header_that_leaves_its_line_is_refused_when_it_is_configured(name: str, value: str) -> None:
    """Line breaks, control characters, and the headers that frame a message; the value is not repeated."""
    with pytest.raises(ConfigurationError) as caught:
        checked_headers({name: value})

    assert "Evil" not in caught.value.message


def test_headers_are_taken_in_lower_case() -> None:
    """So that none is sent twice in two spellings."""
    assert checked_headers({"Authorization": "Bearer abc", "X-Api-Version": "2"}) == {"authorization": "Bearer abc", "x-api-version": "2"}


@pytest.mark.parametrize(
    "template",
    ["", "users/{key}", "//users", "/a/../{key}", "/a/%2e%2e/b", "/{other}", "/a b", "/a#b", "/a\r\nb", "/a\\b", "/a/{key", "/%"],
)
def test_fault_132_a_path_that_leaves_the_base_url_is_refused_when_it_is_configured(template: str) -> None:
    """Steps upwards, another host, fragments, line breaks, placeholders that nobody fills."""
    with pytest.raises(ConfigurationError):
        checked_template(template)


@pytest.mark.parametrize(
    ("template", "key", "path"),
    [
        ("/users/{key}/traits", "42", "/users/42/traits"),
        ("/users/{key}", "user@example.com", "/users/user%40example.com"),
        ("/users/{key}", "a?b=c#d&e", "/users/a%3Fb%3Dc%23d%26e"),
        ("/users/{key}", "a b+c", "/users/a%20b%2Bc"),
        ("/users/{key}", "Зоя", "/users/%D0%97%D0%BE%D1%8F"),
        ("/users/{key}", "...", "/users/..."),
        ("/users/{key}:traits?id={key}", "a:b", "/users/a%3Ab:traits?id=a%3Ab"),
        ("/users?id={key}", "../x", "/users?id=..%2Fx"),
    ],
)
def test_a_key_is_one_step_of_a_path(template: str, key: str, path: str) -> None:
    """Whatever has a meaning in a URL is encoded; in the query anything goes."""
    assert fill(checked_template(template), key) == path
    assert target("", path) == path


@pytest.mark.parametrize(
    "key",
    ["..", ".", "", "../admin", "a/b", "a\\b", "%2e%2e", "%252e%252e", "a%2fb", "..;x", "%2e.;", "a\r\nb", "a\x00b", "\x7f", "%0d%0aX"],
)
def test_fault_132_a_key_that_would_change_the_path_is_not_asked_for(key: str) -> None:
    """However often a server behind a proxy decodes it: a key of a person may have been chosen by that person."""
    with pytest.raises(UnsafeKey):
        fill("/users/{key}/notes", key)


@given(st.text(max_size=30))
def test_fault_132_no_key_changes_what_is_asked(key: str) -> None:
    """Any key either is refused or stands between the same steps, in the same host, without a query."""
    try:
        path = fill("/users/{key}/notes", key)
    except (UnsafeKey, UnicodeEncodeError):
        return
    assert path.startswith("/users/")
    assert path.endswith("/notes")
    assert path.count("/") == 3
    assert path.isascii()
    assert not set(path) & set("?#\\ \r\n@")
    assert target("/api", path) == f"/api{path}"


@pytest.mark.parametrize(
    "path", ["x", ".evil.example", "@evil.example", "//evil.example", "/../x", "/%2e%2e/x", "/a#b", "/a b", "/a\r\nX: 1"]
)
def test_a_path_stays_below_the_base(path: str) -> None:
    """What would make another host, another base or another line of it is never sent."""
    with pytest.raises(ValueError, match="below"):
        target("/api", path)


def test_what_is_sent_is_the_base_path_and_the_path() -> None:
    """Also where one of them is empty."""
    assert [target("/api", path) for path in ("", "?a=1", "/x?a=1")] == ["/api", "/api?a=1", "/api/x?a=1"]
    assert [target("", path) for path in ("", "?a=1", "/x?a=1")] == ["/", "/?a=1", "/x?a=1"]


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("https://crm.example.com/api/users?page=2", "/users?page=2"),
        ("/api/users?page=2", "/users?page=2"),
        ("https://crm.example.com/api?page=2", "?page=2"),
        ("https://crm.example.com/admin", None),
        ("https://crm.example.com/apix/users", None),
        ("https://crm.example.com/api/../admin", None),
        ("https://crm.example.com.evil.example/api/users", None),
        ("https://crm.example.com:8443/api/users", None),
        ("http://crm.example.com/api/users", None),
        ("https://user@crm.example.com/api/users", None),
        ("//evil.example/api/users", None),
        ("http://169.254.169.254/api/", None),
        ("file:///api/", None),
        ("", None),
    ],
)
def test_fault_131_a_link_in_an_answer_leads_nowhere_else(link: str, path: str | None) -> None:
    """A "next page" is followed below the base URL only."""
    assert relative(parsed_base("https://crm.example.com/api"), link) == path
