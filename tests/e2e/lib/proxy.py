# SPDX-License-Identifier: MIT
"""A TCP proxy on 127.0.0.1 that breaks the connections it carries."""
import contextlib
import socket
import struct
import threading

from stack import free_port

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


class Proxy:
    def __init__(self, target):
        self.target, self.port = target, free_port()
        self.lock, self.pairs, self.left = threading.Lock(), set(), None
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self):
        """Resets all connections, whatever is under way."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for end in (end for pair in pairs for end in pair):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)

    def truncate(self, count):
        """Of what the server says next, only so many bytes pass: then all is cut."""
        with self.lock:
            self.left = count

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with contextlib.ExitStack() as ends:
            ends.enter_context(client)
            with contextlib.suppress(OSError):
                server = ends.enter_context(socket.create_connection(("127.0.0.1", self.target)))
                pair = (client, server)
                with self.lock:
                    self.pairs.add(pair)
                upward = threading.Thread(target=self._pump, args=(client, server, lambda data: data),
                                          daemon=True)
                upward.start()
                self._pump(server, client, self._shorten)
                upward.join()
                with self.lock:
                    self.pairs.discard(pair)

    def _pump(self, source, sink, change):
        with contextlib.suppress(OSError):
            while data := change(source.recv(65536)):
                sink.sendall(data)
        for end in source, sink:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _shorten(self, data):
        with self.lock:
            if self.left is None or not data:
                return data
            data, self.left = data[:self.left], self.left - min(self.left, len(data))
            over = self.left == 0
            if over:
                self.left = None
        if over:
            threading.Thread(target=self.cut, daemon=True).start()
        return data
