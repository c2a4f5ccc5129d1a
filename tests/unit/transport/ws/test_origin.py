"""Facts about which pages may open a socket (catalogue row 59)."""

from __future__ import annotations

import pytest

from gateway.transport.ws.origin import OriginPolicy

__all__: list[str] = []

POLICY = OriginPolicy(["https://desk.example.com", "http://Localhost:5173", "chrome-extension://abc", "null"])


@pytest.mark.parametrize(
    ("origins", "hosts"),
    [
        ([], ["gateway.example.com"]),
        (["https://gateway.example.com"], ["gateway.example.com"]),
        (["https://gateway.example.com"], ["Gateway.Example.com:443"]),
        (["http://127.0.0.1:8080"], ["127.0.0.1:8080"]),
        (["http://[::1]:8080"], ["[::1]:8080"]),
        (["https://desk.example.com"], ["gateway.example.com"]),
        (["https://desk.example.com:443"], ["gateway.example.com"]),
        (["http://localhost:5173"], ["127.0.0.1:8080"]),
        (["chrome-extension://abc"], ["gateway.example.com"]),
    ],
)
def test_fault_059_permitted(origins: list[str], hosts: list[str]) -> None:
    """No origin, the same origin and a listed one pass, in whatever spelling of case and default port."""
    assert POLICY.permits(origins, hosts)


@pytest.mark.parametrize(
    ("origins", "hosts"),
    [
        (["https://evil.example"], ["gateway.example.com"]),
        (["null"], ["gateway.example.com"]),
        ([""], ["gateway.example.com"]),
        (["https://desk.example.com.evil.example"], ["gateway.example.com"]),
        (["https://evil.desk.example.com"], ["gateway.example.com"]),
        (["https://desk.example.com@evil.example"], ["gateway.example.com"]),
        (["https://evil@gateway.example.com"], ["gateway.example.com"]),
        (["https://desk.example.com/path"], ["gateway.example.com"]),
        (["http://desk.example.com"], ["gateway.example.com"]),
        (["https://desk.example.com:8443"], ["gateway.example.com"]),
        (["https://desk.example.com:0"], ["gateway.example.com"]),
        (["https://desk.example.com:99999"], ["gateway.example.com"]),
        (["https://gateway.example.com:8443"], ["gateway.example.com"]),
        (["https://[::1"], ["[::1"]),
        (["ftp://gateway.example.com"], ["gateway.example.com"]),
        (["chrome-extension://abd"], ["gateway.example.com"]),
        (["https://gateway.example.com"], []),
        (["https://gateway.example.com"], ["gateway.example.com", "evil.example"]),
        (["https://desk.example.com", "https://evil.example"], ["gateway.example.com"]),
    ],
)
def test_fault_059_refused(origins: list[str], hosts: list[str]) -> None:
    """Foreign pages, sandboxed ones, sub-domain and userinfo tricks, other ports and doubled headers do not pass."""
    assert not POLICY.permits(origins, hosts)
