"""The socket goes to the address that was judged, whatever the name says a moment later."""

from collections.abc import Sequence
from ipaddress import ip_address

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_worker.outbound import Allowed, BadUrlError, OutboundRefusedError, Policy, Target
from job_worker.outbound.addresses import Address
from job_worker.outbound.transport import GuardedBackend, GuardedTransport

OK = [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n", b"Connection: close\r\n", b"\r\n", b"ok"]


class Changing:
    """A resolver whose answers change from question to question, as that of an attacker does."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[Address]:
        self.asked.append(host)
        return [ip_address(text) for text in self._answers.pop(0)]


class Wire(httpcore.AsyncNetworkBackend):
    """A network of which some addresses answer."""

    def __init__(self, *silent: str) -> None:
        self._silent = silent
        self.asked: list[str] = []

    async def connect_tcp(
        self, host: str, port: int, *_: object, **__: object
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        if host in self._silent:
            raise httpcore.ConnectTimeout
        return httpcore.AsyncMockStream(list(OK))


def client(resolve: Changing, wire: Wire, policy: Policy | None = None) -> httpx.AsyncClient:
    backend = GuardedBackend(policy or Policy(), resolve=resolve, network=wire)
    return httpx.AsyncClient(transport=GuardedTransport(backend, tls=httpx.create_ssl_context()))


async def test_a_name_that_is_public_first_and_loopback_second_is_never_called_at_loopback() -> None:
    resolve, wire = Changing(["93.184.216.34"], ["127.0.0.1"]), Wire()
    async with client(resolve, wire) as http:
        assert (await http.get("http://rebinding.example/")).text == "ok"
        assert resolve.asked == ["rebinding.example"], (
            "once for a connection: there is no second answer to use"
        )
        with pytest.raises(OutboundRefusedError):
            await http.get("http://rebinding.example/")
    assert wire.asked == ["93.184.216.34"]


async def test_one_forbidden_address_among_several_is_enough_to_refuse() -> None:
    resolve, wire = Changing(["93.184.216.34", "127.0.0.1"]), Wire()
    async with client(resolve, wire) as http:
        with pytest.raises(OutboundRefusedError):
            await http.get("http://both.example/")
    assert wire.asked == []


async def test_of_several_addresses_the_first_that_answers_is_used() -> None:
    resolve, wire = Changing(["93.184.216.34", "93.184.216.35"]), Wire("93.184.216.34")
    async with client(resolve, wire) as http:
        assert (await http.get("http://several.example/")).text == "ok"
    assert wire.asked == ["93.184.216.34", "93.184.216.35"]


async def test_a_name_without_an_address_is_an_error_of_the_connection() -> None:
    async def nothing(host: str) -> list[Address]:
        raise OSError(-2, "Name or service not known")

    backend = GuardedBackend(Policy(), resolve=nothing, network=Wire())
    transport = GuardedTransport(backend, tls=httpx.create_ssl_context())
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("http://nowhere.example/")


async def test_an_address_that_swallows_everything_is_a_timeout() -> None:
    async with client(Changing(["93.184.216.34"]), Wire("93.184.216.34")) as http:
        with pytest.raises(httpx.ConnectTimeout):
            await http.get("http://silent.example/")


async def test_an_address_needs_no_resolver() -> None:
    resolve, wire = Changing(), Wire()
    async with client(resolve, wire, Policy(allowed=[Allowed.of("[::1]:8080")])) as http:
        assert (await http.get("http://[::1]:8080/")).text == "ok"
    assert (resolve.asked, wire.asked) == ([], ["::1"])


@given(st.text(alphabet="aA0.:/@?#[]%\\ 1x-_é\t", max_size=30))
def test_what_is_read_here_is_what_the_client_reads(rest: str) -> None:
    try:
        target = Target.of(f"http://{rest}")
    except BadUrlError:
        return
    url = httpx.URL(target.url)
    assert (url.scheme, url.host, url.port or 80, url.userinfo) == ("http", target.host, target.port, b"")
