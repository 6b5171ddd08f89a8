import socket

import pytest

from jobstream_local.ports import LOOPBACK, PortInUseError, free_port, is_free, is_open


@pytest.fixture
def listener() -> socket.socket:
    return socket.create_server((LOOPBACK, 0))


def test_a_port_somebody_listens_on_is_open_and_not_free(listener: socket.socket) -> None:
    with listener:
        port = listener.getsockname()[1]
        assert is_open(port)
        assert not is_free(port)


def test_a_port_listened_on_at_all_addresses_is_not_free_either() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        assert not is_free(listener.getsockname()[1])


def test_a_port_is_free_again_as_soon_as_its_server_is_gone(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with listener, socket.create_connection((LOOPBACK, port)):
        pass
    assert is_free(port)
    assert not is_open(port)


def test_free_ports_are_free_and_never_given_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(is_free(port) for port in ports)


def test_the_complaint_names_the_port_and_the_setting() -> None:
    assert "port 8000 is in use, and api-1 needs it: choose another with API_PORT=8100" in str(
        PortInUseError(8000, "API_PORT", "api-1")
    )
