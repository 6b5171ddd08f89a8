"""TLS speaks to the name, though the socket goes to the address that was checked."""

import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from job_worker.outbound import Allowed, Policy, Target, guarded_client
from job_worker.outbound.addresses import Address
from job_worker.tasks import JobsOwnTrouble
from tests.integration.http_request.conftest import OpenTask
from tests.support.http_upstream import HttpUpstream


def openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority of our own, and a certificate for billing.example alone."""
    folder = tmp_path_factory.mktemp("tls")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl(folder, "req", "-x509", *key, "-subj", "/CN=tests", *ca, "-keyout", "ca.key", "-out", "ca.pem")
    openssl(folder, "req", *key, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:billing.example\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl(folder, "x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    return folder


@pytest.fixture
def upstream(authority: Path) -> Iterator[HttpUpstream]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority / "server.pem", authority / "server.key")
    with HttpUpstream(tls=tls) as stand_in:
        yield stand_in


async def to_this_machine(host: str) -> list[Address]:
    return [ip_address("127.0.0.1")]


async def test_the_name_is_asked_for_and_its_certificate_is_checked_at_the_pinned_address(
    upstream: HttpUpstream, authority: Path
) -> None:
    policy = Policy(allowed=[Allowed.of(f"127.0.0.1:{upstream.port}")])
    async with guarded_client(policy, authorities=authority / "ca.pem", resolve=to_this_machine) as client:
        async with client.stream("GET", Target.of(f"https://billing.example:{upstream.port}/")) as answer:
            assert answer.status_code == 200
        # The address itself, and another name, stand in no certificate of this server.
        for host in ("127.0.0.1", "other.example"):
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                async with client.stream("GET", Target.of(f"https://{host}:{upstream.port}/")):
                    raise AssertionError("it was answered")
    assert upstream.names == ["billing.example", None, "other.example"]
    (request,) = upstream.requests
    assert request.headers["host"] == f"billing.example:{upstream.port}"


async def test_an_authority_that_nobody_knows_is_not_believed(upstream: HttpUpstream) -> None:
    policy = Policy(allowed=[Allowed.of(f"127.0.0.1:{upstream.port}")])
    async with guarded_client(policy, resolve=to_this_machine) as client:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            async with client.stream("GET", Target.of(f"https://billing.example:{upstream.port}/")):
                raise AssertionError("it was answered")
    assert upstream.requests == []


async def test_a_job_is_told_what_is_wrong_with_a_certificate(
    open_task: OpenTask, upstream: HttpUpstream, authority: Path
) -> None:
    settings = {
        "HTTP_REQUEST__ALLOW": f"127.0.0.1:{upstream.port}",
        "HTTP_REQUEST__CA_FILE": str(authority / "ca.pem"),
    }
    request = await open_task(settings)
    with pytest.raises(JobsOwnTrouble, match=r"its certificate is not accepted .*IP address mismatch"):
        await request(url=upstream.url)
