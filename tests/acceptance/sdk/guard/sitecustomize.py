"""On the path of every notebook: refuses each connection that leaves this machine, and writes down all that are tried.

An audit hook sees the sockets of every library of the process and cannot be taken off again.
"""

import ipaddress
import os
import socket
import sys


def _is_here(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(text)).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        family, address = getattr(arguments[0], "family", None), arguments[1]
        if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            return
        host = address[0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    verdict = "allowed" if _is_here(host) else "refused"
    with open(os.environ["BATCHYARD_TEST_CONNECTIONS"], "a") as log:
        log.write(f"{verdict} {event} {host!r}\n")
    if verdict == "refused":
        raise PermissionError(f"This test keeps to loopback; {event} asked for {host!r}.")


if "BATCHYARD_TEST_CONNECTIONS" in os.environ:
    sys.addaudithook(_watch)
