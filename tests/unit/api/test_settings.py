"""Settings that could open the door too wide."""

import pytest
from pydantic import ValidationError

from api.settings import HttpSettings


@pytest.mark.parametrize("hops", ["*", "0.0.0.0/0", "127.0.0.1,::/0", "gateway"])
def test_nobody_can_be_told_to_believe_everybody(hops: str) -> None:
    with pytest.raises(ValidationError):
        HttpSettings(trusted_proxies=hops)


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert HttpSettings(trusted_proxies="10.1.2.3, fd00::/8").trusted_proxies == "10.1.2.3,fd00::/8"
