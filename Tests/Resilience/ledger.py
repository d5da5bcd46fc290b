# SPDX-License-Identifier: Apache-2.0
"""What became of every request: counted by who asked, and compared with what the server says it counted."""

import dataclasses
import re

ENDED = ("in time", "late", "refused", "cancelled", "failed")


@dataclasses.dataclass
class Counts:
    """One class of requests, as its clients saw them end."""

    asked: int = 0  # sent to the last byte
    in_time: int = 0
    late: int = 0
    refused: int = 0  # 504 and 429: the scheduler's or the memory's decision
    failed: int = 0  # 500
    draining: int = 0  # 503
    lost: int = 0  # no answer though the client waited
    abandoned: int = 0  # the client itself went away
    strange: int = 0  # an answer to something else, or one that is none

    @property
    def answered(self):
        return self.in_time + self.late + self.refused + self.failed + self.draining + self.strange


class Ledger:
    """Counts of both classes, and the answers that nobody had asked for."""

    def __init__(self):
        self.high, self.low = Counts(), Counts()
        self.twice = 0
        self.refusal_seconds = []  # of those refused on arrival
        self.dropped = 0  # refused after they had waited

    def of(self, high):
        return self.high if high else self.low

    def total(self, name):
        return getattr(self.high, name) + getattr(self.low, name)

    def note(self, high, status, body, seconds, name):
        """Takes note of an answer; `name` is what the request was called."""
        counts = self.of(high)
        if status == 200:
            if f'"id":"{name}"'.encode() not in body:
                counts.strange += 1
            elif b'"strait_late":true' in body:
                counts.late += 1
            else:
                counts.in_time += 1
        elif status in (429, 504):
            counts.refused += 1
            if b"dropped after waiting" in body:
                self.dropped += 1
            else:
                self.refusal_seconds.append(seconds)
        elif status == 500:
            counts.failed += 1
        elif status == 503:
            counts.draining += 1
        else:
            counts.strange += 1

    def check(self, log=""):
        """Every request that was sent and waited for was answered once, and with its own answer."""
        told = f"{self}; the server's log:\n{log}"
        assert self.twice == 0, f"answered twice: {told}"
        assert self.total("strange") == 0, f"strange answers: {told}"
        assert self.total("lost") == 0, f"lost: {told}"
        assert self.total("asked") == self.total("answered") + self.total("abandoned"), told

    def __str__(self):
        return f"high {self.high}, low {self.low}, {self.twice} twice"


def server_counts(log):
    """{class: {arrived, in time, late, refused, cancelled, failed}}, which a server tells when it ends."""
    found = {}
    for name, line in re.findall(r"^(high|low): (\d+ arrived, .*)$", log, re.MULTILINE):
        found[name] = {what: int(number) for number, what in re.findall(r"(\d+) ([a-z ]+)", line)}
    assert found.keys() == {"high", "low"}, f"no counts in the log:\n{log}"
    for name, counts in found.items():
        assert counts["arrived"] == sum(counts[what] for what in ENDED), f"{name}: {counts}"
    return found


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Table:
    """One row for each case."""

    HEADS = ("case", "accepted", "answered", "lost", "twice", "high in time", "low in time", "peak MB", "recovered s",
             "note")

    def __init__(self):
        self.rows = []

    def add(self, case, ledger, peak, recovered, note=""):
        """`peak` in bytes, `recovered` in seconds: from the fault's end to the next good answer."""
        def share(counts):
            known = counts.asked - counts.abandoned
            return f"{counts.in_time} of {known}" if known else "–"

        self.rows.append((
            case, str(ledger.total("asked") - ledger.total("abandoned")), str(ledger.total("answered")),
            str(ledger.total("lost")), str(ledger.twice), share(ledger.high), share(ledger.low),
            str(peak >> 20), f"{recovered:.2f}", note))

    def text(self):
        widths = [max(map(len, column)) for column in zip(self.HEADS, *self.rows)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                         for row in (self.HEADS, *self.rows))

    def markdown(self):
        lines = [self.HEADS, tuple("---" for _ in self.HEADS), *self.rows]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)


TABLE = Table()
