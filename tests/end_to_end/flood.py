"""`python flood.py HOST PORT COUNT FIRST`: so many clients, each of which sends a byte a second.

FIRST is what each sends to begin with, in hex. Says on its standard output when all are there, and
goes on until it is killed; a client that is sent away comes again.
"""

from __future__ import annotations

import socket
import sys
import time


def main(host: str, port: int, count: int, first: bytes) -> None:
    connections: list[socket.socket] = []
    said = False
    while True:
        began = time.monotonic()
        for _ in range(min(500, count - len(connections))):
            connection = socket.create_connection((host, port))
            connection.setblocking(False)
            connection.send(first)
            connections.append(connection)
        if len(connections) == count and not said:
            sys.stdout.write("all there\n")
            sys.stdout.flush()
            said = True
        elif not said:
            continue
        connections = [connection for connection in connections if is_open(connection)]
        time.sleep(max(0.0, began + 1 - time.monotonic()))


def is_open(connection: socket.socket) -> bool:
    """Whether it still is, once it has sent its byte."""
    try:
        connection.send(b"x")
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    connection.close()
    return False


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4]))
