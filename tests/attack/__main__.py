"""`python -m tests.attack`: all attacks, and how many of each kind are survived; `--quick` without slow ones."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from pathlib import Path

import pytest


class Tally:
    """Counts attacks by the test that runs them."""

    def __init__(self) -> None:
        self.attacks: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.outside: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """An attack counts once: by its call, or by what kept it from one."""
        if report.when == "call" or (report.when == "setup" and not report.passed):
            kind = report.nodeid.partition("::test_")[2].partition("[")[0].replace("_", " ")
            self.attacks[kind] += not report.skipped
            self.survived[kind] += report.passed
            self.skipped[kind] += report.skipped
        elif report.failed:
            self.outside.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What can't even be collected."""
        if report.failed:
            self.outside.append(report.nodeid)

    def table(self) -> str:
        """A row a kind, and their sum; attacks that this machine can't make are told apart."""
        rows = [("kind", "attacks", "survived", "not possible here")]
        for kind in sorted(self.attacks):
            rows.append((kind, *(str(count[kind]) for count in (self.attacks, self.survived, self.skipped))))
        rows.append(("all", *(str(count.total()) for count in (self.attacks, self.survived, self.skipped))))
        return "\n".join(f"{kind:<24}{one:>8}{two:>10}{three:>19}" for kind, one, two, three in rows)


def main(given: list[str]) -> int:
    """Run them; 0 if all are survived, else 1."""
    tally = Tally()
    chosen = ["-m", "not slow"] if "--quick" in given else []
    more = [word for word in given if word != "--quick"]  # as `-n 2`, for two processes
    with contextlib.redirect_stdout(sys.stderr):
        place = str(Path(__file__).parent)
        pytest.main(["-q", "-p", "no:cacheprovider", "--tb=short", *chosen, *more, place], plugins=[tally])
    print(tally.table())
    for name in tally.outside:
        print(f"not run to its end: {name}")
    return int(bool(tally.outside) or not tally.attacks or tally.survived != tally.attacks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
