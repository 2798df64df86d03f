# SPDX-License-Identifier: MIT
"""A proxy in front of a database that answers a chosen statement with an error of its choice."""
import contextlib
import socket
import struct
import threading

QUERY, PREPARE, EXECUTE = 0x03, 0x16, 0x17
REFUSED, DEADLOCK = 1105, 1213  # "unknown error", and one after which it is tried again


class SqlFaults:
    """Listens on `path`. Statements are numbered from 1, those that set up a session included;
    what is prepared and then executed counts twice."""

    def __init__(self, path, database):
        self.path, self.target = path, str(database.socket)
        self.lock, self.left, self.times, self.number = threading.Lock(), 0, 0, 0
        self.most, self.going_on = 1 << 24, threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.going_on.set()

    def fail(self, nth, number, times=1):
        """The nth statement from now on, or as many from there, fail with that error."""
        with self.lock:
            self.left, self.number, self.times = nth + times - 1, number, times

    def stall(self, most):
        """Takes no more of a statement than so many bytes."""
        self.most = most

    def happened(self):
        """Whether all statements that are to fail have come."""
        with self.lock:
            return self.left == 0

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._carry, args=(self.listener.accept()[0],),
                                 daemon=True).start()

    def _carry(self, client):
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self.target)
            threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
            data = b""
            while more := client.recv(65536):
                data = self._commands(data + more, client, server)
                if len(data) > self.most:
                    self.going_on.wait()

    @staticmethod
    def _answers(server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _commands(self, data, client, server):
        """Passes whole packets on, and returns the rest."""
        while len(data) >= 4 and len(data) >= (size := 4 + int.from_bytes(data[:3], "little")):
            packet, data = data[:size], data[size:]
            if self._is_the_one(packet):
                client.sendall(self._refusal())
            else:
                server.sendall(packet)
        return data

    def _is_the_one(self, packet):
        if packet[3] != 0 or packet[4] not in (QUERY, PREPARE, EXECUTE):
            return False  # the handshake's, or no statement
        with self.lock:
            if self.left == 0:
                return False
            self.left -= 1
            return self.left < self.times

    def _refusal(self):
        content = struct.pack("<BH", 0xff, self.number) + b"#HY000" + b"refused by a test"
        return len(content).to_bytes(3, "little") + b"\x01" + content
