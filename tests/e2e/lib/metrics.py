# SPDX-License-Identifier: MIT
"""GET /metrics, read as Prometheus reads it."""
import re

from tokens import claims

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINE = re.compile(r'(\w+)(?:\{((?:\w+="[^"]*",?)*)\})? (\S+)')


class Scraper:
    """Whoever has a token of role metrics."""

    def __init__(self, stack, role="metrics"):
        self.stack = stack
        self.token = stack.keys.sign(claims("prometheus", role=role))

    def scrape(self):
        return Metrics(self.stack.get("/metrics", self))


class Metrics:
    """The numbers of a reply."""

    def __init__(self, reply):
        assert reply.status == 200, reply
        assert reply.headers["Content-Type"] == MEDIA_TYPE
        self.text = reply.body.decode()
        self.series = {}
        for line in self.text.splitlines():
            if line.startswith("# "):
                continue
            name, labels, value = LINE.fullmatch(line).groups()
            key = name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels or ""))
            assert key not in self.series, f"{key} is there twice"
            self.series[key] = float(value)

    def names(self):
        return {name for name, _ in self.series}

    def of(self, name, **labels):
        """{labels: value} of the series that have those labels, without them."""
        given = set(labels.items())
        return {found - given: value for (its, found), value in self.series.items()
                if its == name and given <= found}

    def get(self, name, **labels):
        """The sum of these."""
        return sum(self.of(name, **labels).values())

    def by(self, name, label):
        return {dict(labels)[label]: value for labels, value in self.of(name).items()}
