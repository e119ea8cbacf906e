"""Progress for people: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

__all__ = ["ProgressBar"]

_QUIET_S = 2.0
_LINE_EVERY_S = 10.0


class ProgressBar:
    """Shows ``progress(done, total, text)`` calls under one title.

    Nothing is shown for work that ends within two seconds.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._last_line = self._start + _QUIET_S - _LINE_EVERY_S
        self._bar: Any = None
        self._terminal = sys.stderr.isatty()
        self._last: tuple[int, int, str] | None = None
        self._first_done: int | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __call__(self, done: int, total: int, text: str) -> None:
        """Report how far the work has come."""
        if self._first_done is None:
            self._first_done = done
        self._last = (done, total, text)
        now = time.monotonic()
        if now - self._start < _QUIET_S:
            return
        if self._terminal:
            self._update_bar(done, total, text)
        elif now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            self._print_line(done, total, text, now)

    def _update_bar(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                initial=done,
                desc=self._title,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining} {postfix}",
            )
        self._bar.total = total
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(done - self._bar.n)

    def _print_line(self, done: int, total: int, text: str, now: float) -> None:
        share = done / total if total else 1.0
        advanced = done - (self._first_done or 0)
        left = ""
        if advanced > 0:
            remaining = (now - self._start) * (total - done) / advanced
            left = f", about {_duration(remaining)} left"
        detail = f" ({text})" if text else ""
        print(f"{self._title}: {share:4.0%}{left}{detail}", file=sys.stderr, flush=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
