"""Quota leases: the limit holds over all processes, and close to it numbers are leased one by one."""

from hypothesis import given
from hypothesis import strategies as st

from api.limits.redis_rate_limiter import SHARE, QuotaLease


class Count:
    """The count in Redis that all processes share."""

    def __init__(self) -> None:
        self.value = 0
        self.asked = 0

    def serve(self, lease: QuotaLease) -> int:
        """Give a request its number, as the limiter does."""
        number = lease.spend()
        while number is None:
            lease.waiting += 1
            amount = lease.demand()
            self.value += amount
            self.asked += 1
            lease.extend(self.value, amount)
            number = lease.spend()
        return number


@given(st.integers(1, 400), st.lists(st.integers(0, 3), max_size=600))
def test_no_number_within_the_limit_is_used_twice(limit: int, requests: list[int]) -> None:
    count = Count()
    leases = [QuotaLease("a", limit) for _ in range(4)]
    numbers = [count.serve(leases[process]) for process in requests]
    within = [number for number in numbers if number <= limit]
    assert len(within) == len(set(within)) <= limit


@given(st.integers(1, 400))
def test_one_process_uses_the_numbers_exactly_and_in_order(limit: int) -> None:
    count, lease = Count(), QuotaLease("a", limit)
    numbers = [count.serve(lease) for _ in range(limit + 5)]
    assert numbers[:limit] == [*range(1, limit + 1)]
    assert all(number > limit for number in numbers[limit:])


def test_a_small_limit_is_leased_one_by_one() -> None:
    """Two processes share it down to the last request, whichever gets the requests."""
    count = Count()
    one, other = (QuotaLease("a", SHARE) for _ in range(2))
    assert [count.serve(lease) for lease in (one, other, other, one, other)] == [1, 2, 3, 4, 5]


def test_no_more_is_leased_in_advance_than_was_spent() -> None:
    count, lease = Count(), QuotaLease("a", 1_000_000)
    count.serve(lease)
    assert count.value == 1
    count.serve(lease)
    assert count.value == 3
    for _ in range(100):
        count.serve(lease)
        assert count.value <= 2 * lease._spent + 1


def test_a_lease_leaves_numbers_for_other_processes() -> None:
    """At most a twentieth of the remaining numbers is held by a process that may not need them."""
    count, lease = Count(), QuotaLease("a", 600)
    for number in range(1, 601):
        count.serve(lease)
        assert count.value - number <= (600 - number) / SHARE + 1


def test_a_busy_token_needs_few_round_trips() -> None:
    count, lease = Count(), QuotaLease("a", 1_000_000)
    for _ in range(100_000):
        count.serve(lease)
    assert count.asked < 50


def test_beyond_the_limit_redis_is_not_asked() -> None:
    count, lease = Count(), QuotaLease("a", 5)
    for _ in range(5):
        count.serve(lease)
    asked = count.asked
    assert all(count.serve(lease) > 5 for _ in range(100))
    assert count.asked == asked


def test_each_waiting_request_gets_a_number() -> None:
    lease = QuotaLease("a", 100)
    lease.waiting = 7
    assert lease.demand() == 7
    lease.extend(7, 7)
    assert [lease.spend() for _ in range(8)] == [1, 2, 3, 4, 5, 6, 7, None]
