"""Waiting while the device is hot: a processor that throttles is another device."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from predictors.errors import MeasurementError

__all__ = ["Cooler", "hottest_celsius"]

_ZONES = Path("/sys/class/thermal")
_PLAUSIBLE_CELSIUS = (1.0, 150.0)
_COOL_DOWN_CELSIUS = 5.0
_READ_EVERY_S, _MOST_WAIT_S = 1.0, 900.0


def hottest_celsius(zones: Path = _ZONES) -> float | None:
    """Return the temperature of the hottest zone, None where none can be read.

    Args:
        zones: Linux's folder of thermal zones; they give thousandths of a degree.
    """
    found = []
    for zone in zones.glob("thermal_zone*/temp"):
        try:
            celsius = int(zone.read_text(encoding="ascii")) / 1000
        except (OSError, ValueError):  # a zone that is switched off refuses to be read
            continue
        if _PLAUSIBLE_CELSIUS[0] <= celsius <= _PLAUSIBLE_CELSIUS[1]:
            found.append(celsius)
    return max(found, default=None)


class Cooler:
    """Keeps measurements below a temperature.

    Args:
        max_celsius: Above it `wait` waits, until it is 5 degrees less.
        read: Returns the temperature; None where it cannot be read, then nothing ever waits.
    """

    def __init__(
        self, max_celsius: float, read: Callable[[], float | None] = hottest_celsius
    ) -> None:
        self._max = max_celsius
        self._read = read
        self._next_s = 0.0
        self.hottest: float | None = None
        """The highest temperature that was seen."""

    def wait(self, tell: Callable[[str], None]) -> None:
        """Return when the device is cool; it is asked at most once a second.

        Args:
            tell: Called with what is waited for.

        Raises:
            MeasurementError: It does not cool down in 15 minutes.
        """
        if time.monotonic() < self._next_s:
            return
        celsius = self._note()
        if celsius is not None and celsius > self._max:
            self._cool_down(celsius, tell)
        self._next_s = time.monotonic() + _READ_EVERY_S

    def _note(self) -> float | None:
        celsius = self._read()
        if celsius is not None:
            self.hottest = max(celsius, self.hottest or celsius)
        return celsius

    def _cool_down(self, celsius: float, tell: Callable[[str], None]) -> None:
        target = self._max - _COOL_DOWN_CELSIUS
        give_up = time.monotonic() + _MOST_WAIT_S
        now: float | None = celsius
        while now is not None and now > target:
            if time.monotonic() > give_up:
                raise MeasurementError(
                    f"The device is still at {now:.0f} °C after {_MOST_WAIT_S / 60:.0f} minutes "
                    f"of rest; measurements wait for {target:.0f} °C. What was measured is kept: "
                    "cool the device, or allow more with --max-celsius, and run again."
                )
            tell(f"hot: {now:.0f} °C, waiting for {target:.0f} °C")
            time.sleep(_READ_EVERY_S)
            now = self._note()
