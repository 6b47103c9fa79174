"""What does not answer is asked again a few times, and no other error is."""

from __future__ import annotations

import pytest

from batchyard.domain.errors import Conflict, PlatformError
from batchyard.engine.patience import PAUSES_S, patiently


class Failing:
    """Fails so many times, then answers."""

    def __init__(self, times: int, error: Exception) -> None:
        self.calls, self._times, self._error = 0, times, error

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        return "done"


@pytest.mark.parametrize("times", range(len(PAUSES_S) + 1))
def test_a_platform_that_comes_back_soon_enough_is_waited_for(times: int) -> None:
    pauses: list[float] = []
    assert patiently(Failing(times, PlatformError("away")), pause=pauses.append) == "done"
    assert pauses == list(PAUSES_S[:times])


def test_patience_ends() -> None:
    call = Failing(99, PlatformError("away"))
    with pytest.raises(PlatformError):
        patiently(call, pause=lambda _: None)
    assert call.calls == len(PAUSES_S) + 1


def test_what_is_nobodys_outage_is_not_tried_again() -> None:
    call = Failing(1, Conflict("taken"))
    with pytest.raises(Conflict):
        patiently(call, pause=lambda _: None)
    assert call.calls == 1
