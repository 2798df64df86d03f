# SPDX-License-Identifier: MIT
"""A database whose clock a test moves (libfaketime)."""
from pathlib import Path

from stack import Database


class ClockedDatabase(Database):
    def __init__(self, directory, *options):
        self.offset, self.file = 0, directory / "clock"
        self.move(0)
        library, *_ = Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1")
        self.env = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        super().__init__(directory, *options)

    def move(self, seconds):
        """On from where it is."""
        self.offset += seconds
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.offset:+}\n")
        new.rename(self.file)

    def now(self):
        """Unix seconds."""
        return int(self.query("SELECT UNIX_TIMESTAMP() AS now")[0]["now"])
