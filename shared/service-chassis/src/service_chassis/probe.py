"""Asks this container's own ops port whether the service is ready: 0 if it is, 1 with the reasons if not.

For healthchecks of images that have neither curl nor a shell worth the name: `python -m service_chassis.probe`.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException
from typing import Final

_PATIENCE: Final = 3.0


def main() -> int:
    """Ask, and say what is wrong on standard error."""
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("OPS__PORT", "9090")), timeout=_PATIENCE)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        told = answer.read().decode()
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"no answer from the ops port: {error!r}\n")
        return 1
    finally:
        connection.close()
    if answer.status == 200:
        return 0
    sys.stderr.write(told + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
