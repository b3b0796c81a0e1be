"""How long pauses are, and when a delivery is given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from notifier_fakes import a_notice

from notifier_service.domain import Delivery, Patience

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAYS = timedelta(days=3)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 5), (2, 10), (3, 20), (9, 1280), (10, 1800), (5000, 1800)]
)
def test_pauses_double_up_to_half_an_hour(attempts: int, seconds: float) -> None:
    assert Patience(DAYS, chance=lambda: 1.0).pause_seconds(attempts) == seconds


def test_up_to_half_of_a_pause_is_left_to_chance() -> None:
    shortest = Patience(DAYS, chance=lambda: 0.0).pause_seconds(1)
    drawn = [Patience(DAYS).pause_seconds(1) for _ in range(50)]

    assert shortest == 2.5
    assert all(2.5 <= seconds <= 5 for seconds in drawn)
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    ("attempts", "age", "over"),
    [
        (2, timedelta(hours=71), False),
        (2, timedelta(hours=72), True),
        (1, timedelta(days=30), False),
    ],
)
def test_a_delivery_is_given_up_after_its_time_but_never_untried(
    attempts: int, age: timedelta, *, over: bool
) -> None:
    delivery = replace(Delivery.requested(a_notice(), MOMENT), attempts=attempts)

    assert Patience(DAYS).is_over(delivery, MOMENT + age) is over
