"""Whose connection it is, by the port it begins at."""

import os
import socket
import subprocess
import sys

from tests.support.partition import has_port


def test_a_connection_belongs_to_the_process_that_has_opened_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as connection,
        ):
            port = connection.getsockname()[1]
            assert has_port([os.getpid()], port)
            assert has_port([other.pid, os.getpid()], port)
            assert not has_port([other.pid], port)
        assert not has_port([os.getpid()], port), "it is closed"
        other.communicate(b"\n")
