# SPDX-License-Identifier: MIT
"""Requests from several threads for as long as a `with` block lasts."""
import http.client
import threading
import time
from dataclasses import dataclass


@dataclass
class Sample:
    start: float
    end: float
    status: object  # or the error that broke the request

    @property
    def seconds(self):
        return self.end - self.start


class Load:
    def __init__(self, request, threads=8):
        self.request, self.samples, self.stop = request, [], threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self.stop.is_set():
            start = time.monotonic()
            try:
                status = self.request().status
            except (OSError, http.client.HTTPException, AttributeError) as error:
                status = repr(error)
            self.samples.append(Sample(start, time.monotonic(), status))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def more(self, count=200, seconds=100):
        """Waits until `count` requests that start from now on are answered."""
        now, end = time.monotonic(), time.monotonic() + seconds
        while len(self.since(now)) < count:
            assert time.monotonic() < end, "the load stands still"
            time.sleep(0.05)

    def since(self, time):
        return [sample for sample in list(self.samples) if sample.start >= time]

    def statuses(self, since=0):
        return {sample.status for sample in self.since(since)}
