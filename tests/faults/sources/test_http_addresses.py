"""The HTTP client and where it goes: redirects, names that lead elsewhere, paths, and the credentials it takes along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpcore2
import pytest

from gateway.errors import ConfigurationError, SourceUnavailable
from gateway.sources.dialling import Vetted
from gateway.sources.http import Refused, Upstream
from tests.wire import DEADLINE, Server, answer, failing, saying, serving, to

__all__: list[str] = []


REDIRECTS = [
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "http://127.0.0.1:{port}/elsewhere",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://2130706433:{port}/",
    "/elsewhere",
]


@pytest.mark.parametrize("location", REDIRECTS)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
async def test_fault_131_redirects_are_not_followed(location: str, status: str) -> None:
    """Wherever they lead; so nobody gets the credentials that the first server may have."""
    async with serving(saying(answer(b"{}"))) as elsewhere:
        redirect = saying(answer(b"", f"Location: {location.format(port=elsewhere.port)}", status=status))
        async with serving(redirect) as server:
            error = await failing(server, headers={"Authorization": "Bearer secret"})

    assert isinstance(error, Refused)
    assert error.status == int(status[:3])
    assert error.message == f"The source answered HTTP {error.status}, and redirects are not followed."
    assert (len(server.requests), elsewhere.requests) == (1, [])


class Dial(httpcore2.AsyncNetworkBackend):
    """Connects to the test's server, whatever the address, and remembers the address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.dialled: list[str] = []
        self.refused: set[str] = set()

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(host)
        if host in self.refused:
            raise httpcore2.ConnectError("refused")
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", self.port)


def resolving(monkeypatch: pytest.MonkeyPatch, server: Server, *answers: list[str]) -> tuple[Upstream, Dial, list[str]]:
    """A client of a name that leads to these addresses, each lookup to the next ones; who dials; and what was looked up."""
    dial, asked = Dial(server.port), []
    waiting = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return waiting.pop(0)

    made = Vetted.__init__

    def with_dial(self: Vetted, **options: Any) -> None:
        made(self, **{**options, "dial": dial})

    monkeypatch.setattr(Vetted, "__init__", with_dial)
    return Upstream("http://crm.example.com", source="crm", deadline=DEADLINE, resolve=resolve), dial, asked


async def test_fault_131_a_name_that_is_bound_anew_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was looked at is the one that is dialled, with one lookup for each connection; a private one the next time is refused."""
    async with serving(saying(answer(b"{}", "Connection: close"), close=True)) as server:
        upstream, dial, asked = resolving(
            monkeypatch, server, ["93.184.216.34"], ["127.0.0.1"], ["169.254.169.254", "10.0.0.1"], ["8.8.8.8"]
        )
        async with upstream:
            assert (await upstream.request("GET", "/")).value == {}
            for _ in range(2):
                with pytest.raises(SourceUnavailable) as caught:
                    await upstream.request("GET", "/")
                assert caught.value.message == "The source's name leads to no address that may be dialled."
            assert (await upstream.request("GET", "/")).value == {}

    assert dial.dialled == ["93.184.216.34", "8.8.8.8"]
    assert asked == ["crm.example.com"] * 4
    assert [b"host: crm.example.com\r\n" in request for request in server.requests] == [True, True]


async def test_fault_131_of_several_addresses_only_public_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other; what is private among them is left out, however many there are."""
    async with serving(saying(answer(b"{}"))) as server:
        upstream, dial, _ = resolving(monkeypatch, server, ["127.0.0.1", "::ffff:10.0.0.1", "1.1.1.1", "169.254.169.254", "2606:4700::1"])
        dial.refused = {"1.1.1.1"}
        async with upstream:
            assert (await upstream.request("GET", "/")).value == {}

    assert dial.dialled == ["1.1.1.1", "2606:4700::1"]


@pytest.mark.parametrize("name", ["localhost.example.com", "crm.example.com"])
async def test_fault_131_a_name_of_this_machine_is_not_dialled(name: str) -> None:
    """A name may lead anywhere: it is its addresses that are looked at."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1"]

    async with serving(saying(answer(b"{}"))) as server:
        async with Upstream(f"http://{name}:{server.port}", source="crm", resolve=resolve) as upstream:
            with pytest.raises(SourceUnavailable):
                await upstream.request("GET", "/")
        async with Upstream(f"http://{name}:{server.port}", source="crm", resolve=resolve, allow_private=True) as upstream:
            assert (await upstream.request("GET", "/")).value == {}

    assert server.connections == 1


@pytest.mark.parametrize("path", ["//evil.example/", "/../x", "/a\r\nX-Evil: 1", "evil", "/a#b", "/%2e%2e"])
async def test_fault_132_a_path_that_leads_elsewhere_is_not_sent(path: str) -> None:
    """Also when it was not looked at before."""
    async with serving(saying(answer(b"{}"))) as server, to(server) as upstream:
        with pytest.raises(SourceUnavailable):
            await upstream.request("GET", path)

    assert server.requests == []


async def test_fault_132_parameters_and_headers_stay_what_they_are() -> None:
    """Values in a query are encoded; a header with a line break is not sent at all."""
    async with serving(saying(answer(b"{}"))) as server, to(server) as upstream:
        await upstream.request("GET", "/people", params={"email": "a+b@example.com&admin=1#x\r\n", "id": ["1", "2/.."]})
        with pytest.raises(SourceUnavailable):
            await upstream.request("GET", "/people", headers={"X-Key": "a\r\nX-Evil: 1"})

    assert len(server.requests) == 1
    assert server.requests[0].startswith(b"GET /api/people?email=a%2Bb%40example.com%26admin%3D1%23x%0D%0A&id=1&id=2%2F.. HTTP/1.1\r\n")


async def test_fault_133_only_the_sources_own_headers_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The headers of a request, all of them: no cookie that the server set, nothing of the environment's proxies and passwords."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with (
        serving(saying(answer(b"{}", "Set-Cookie: session=1; Path=/"))) as server,
        to(server, headers={"X-Api-Key": "k"}) as upstream,
    ):
        await upstream.request("GET", "/people")
        await upstream.request("POST", "/people", json={"a": 1})
        await upstream.request("POST", "/token", form={"grant_type": "client_credentials", "scope": "a b"})
        await upstream.request("DELETE", "/people/1")

    lines = [set(request.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")[1:]) for request in server.requests]
    always = {
        b"host: 127.0.0.1:%d" % server.port,
        b"accept: application/json",
        b"accept-encoding: gzip",
        b"user-agent: profile-gateway",
        b"x-api-key: k",
    }
    json_body = {b"content-type: application/json", b"content-length: 7"}
    form_body = {b"content-type: application/x-www-form-urlencoded", b"content-length: 39"}
    assert lines == [always, always | json_body, always | form_body, always | {b"content-length: 0"}]
    assert server.requests[2].endswith(b"grant_type=client_credentials&scope=a+b")
    assert server.connections == 1


def test_credentials_stay_out_of_what_is_shown() -> None:
    """A wrong header is named without its value, and the client has no representation that holds one."""
    with pytest.raises(ConfigurationError) as caught:
        Upstream("https://crm.example.com", source="crm", headers={"Authorization": "Bearer hunter2\n"})

    assert "hunter2" not in caught.value.message
    assert "hunter2" not in repr(Upstream("https://crm.example.com", source="crm", headers={"Authorization": "Bearer hunter2"}))
