"""Which addresses bytes of pictures are fetched from, before anything is called."""

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address

import pytest

from job_worker.outbound import Policy, guarded_client
from job_worker.outbound.addresses import Address
from job_worker.tasks.image_search.downloads import DownloadError, Downloads

ORIGIN = "https://pictures.example.org"


async def fetch(url: str, *leads_to: str) -> None:
    """Fetch where the name of the provider leads to these addresses."""

    async def resolve(host: str) -> Sequence[Address]:
        assert host == "pictures.example.org", "no other name is even looked up"
        return [ip_address(text) for text in leads_to]

    async with guarded_client(Policy(), resolve=resolve) as client:
        await Downloads(client, origins=[ORIGIN], timeout=timedelta(seconds=5)).fetch(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example.org/1.jpg",
        "https://pictures.example.org:8443/1.jpg",
        "https://pictures.example.org.evil.example/1.jpg",
        "https://pictures.example.org@evil.example/1.jpg",
        "https://evil.example/pictures.example.org/1.jpg",
        "https://evil.example\\@pictures.example.org/",
        "https://127.0.0.1/1.jpg",
        "https://2130706433/1.jpg",
        "https://0x7f.1/1.jpg",
        "https://[::ffff:169.254.169.254]/1.jpg",
        "//pictures.example.org/1.jpg",
        "ftp://pictures.example.org/1.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=",
        "javascript:alert(1)",
        "https://pictures.example.org/\r\nX: y",
        "https://[::1/",
        "",
    ],
)
async def test_what_is_not_the_provider_s_own_is_not_called(url: str) -> None:
    with pytest.raises(DownloadError, match="not at one of the provider's addresses") as caught:
        await fetch(url)
    assert not caught.value.passing


@pytest.mark.parametrize(
    "leads_to",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.7"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["2002:a9fe:a9fe::"],
        ["64:ff9b::7f00:1"],
        ["93.184.216.34", "192.168.1.1"],
    ],
)
async def test_the_provider_s_name_does_not_lead_into_the_own_network(leads_to: list[str]) -> None:
    with pytest.raises(DownloadError, match="may not be called") as caught:
        await fetch(f"{ORIGIN}/1.jpg", *leads_to)
    assert not caught.value.passing
