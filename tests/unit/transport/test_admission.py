"""Facts about admission: how many sockets one process, workspace and subject may have, and how fast new ones are taken. Time is a number here."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from uuid import UUID

import pytest

from gateway.errors import Overloaded, RateLimited
from gateway.observe import CONNECTIONS_REFUSED
from gateway.transport.admission import Admission, AdmissionLimits, Seat, retry_after

__all__: list[str] = []

OURS, THEIRS = UUID(int=1), UUID(int=2)


@dataclass(frozen=True)
class Agent:
    """A principal as far as admission looks at it."""

    subject: str
    workspace_id: UUID = OURS


def admission(**limits: float) -> Admission:
    """An admission with few limits: what is not named is plenty."""
    plenty = {"sockets": 10**6, "sockets_per_workspace": 10**6, "sockets_per_subject": 10**6, "upgrades_per_second": 10**6}
    return Admission(AdmissionLimits(**{**plenty, **limits}))  # type: ignore[arg-type]


def refusals(limit: str) -> float:
    """How often this limit has refused so far."""
    return CONNECTIONS_REFUSED.labels(limit)._value.get()  # type: ignore[no-any-return]


class TestProcess:
    """Limits before anybody said who they are."""

    def test_fault_060_one_socket_too_many(self) -> None:
        """4 000 sockets are taken, one more is not; it is taken when one has left."""
        limited = admission(sockets=4000)
        seats = [limited.upgrade(0) for _ in range(4000)]
        before = refusals("process")
        with pytest.raises(Overloaded) as refused:
            limited.upgrade(0)

        assert (refused.value.http_status, retry_after(refused.value)) == (503, 5)
        assert refusals("process") == before + 1
        seats[0].leave()
        limited.upgrade(0)
        assert len(limited) == 4000

    def test_fault_069_rate(self) -> None:
        """100 upgrades pass at once, the 101st does not; 10 ms later there is room for one, a second later for 100 again, never for more."""
        limited = admission(upgrades_per_second=100)
        before = refusals("upgrades")
        assert self._taken(limited, 0, 150) == 100
        assert refusals("upgrades") == before + 50
        assert self._taken(limited, 0.009, 1) == 0
        assert self._taken(limited, 0.0101, 2) == 1
        assert self._taken(limited, 2, 500) == 100
        assert self._taken(limited, 3600, 500) == 100

    def test_fault_069_retry_after_spreads(self) -> None:
        """Of 1 000 that come at once, the refused are told moments up to 9 s ahead, 100 per second, and never more than 15 s."""
        limited = admission(upgrades_per_second=100)
        told = []
        for _ in range(1000):
            try:
                limited.upgrade(50)
            except Overloaded as error:
                told.append(retry_after(error))

        assert [told.count(second) for second in range(1, 10)] == [100] * 9
        for _ in range(5000):
            with pytest.raises(Overloaded) as refused:
                limited.upgrade(50)
            assert 1 <= retry_after(refused.value) <= 15

    @pytest.mark.parametrize("seed", range(5))
    def test_fault_068_storm_is_let_in(self, seed: int) -> None:
        """1 000 clients that were cut at once and honour `Retry-After`, with up to a second of jitter, are all in within 12 s."""
        generator, limited = random.Random(seed), admission(upgrades_per_second=100)
        arrivals = [(generator.random() / 10, number) for number in range(1000)]
        heapq.heapify(arrivals)
        attempts = 0
        now = 0.0
        while arrivals:
            now, number = heapq.heappop(arrivals)
            attempts += 1
            try:
                limited.upgrade(now)
            except Overloaded as error:
                heapq.heappush(arrivals, (now + retry_after(error) + generator.random(), number))

        assert now < 12
        assert attempts < 3000

    def _taken(self, limited: Admission, now: float, asked: int) -> int:
        taken = 0
        for _ in range(asked):
            try:
                limited.upgrade(now)
                taken += 1
            except Overloaded:
                pass
        return taken


class TestHolders:
    """Limits of whoever turned out to be there."""

    def test_fault_060_subject(self) -> None:
        """The 11th socket of a subject is refused, that of another subject, or of the same name elsewhere, is not."""
        limited = admission(sockets_per_subject=10)
        seats = [self._entered(limited, Agent("ana")) for _ in range(10)]
        before = refusals("subject")
        with pytest.raises(RateLimited) as refused:
            self._entered(limited, Agent("ana"))

        assert refused.value.http_status == 429
        assert len(refused.value.message.encode()) <= 123  # it becomes the reason of close code 1013
        assert refusals("subject") == before + 1
        self._entered(limited, Agent("ben"))
        self._entered(limited, Agent("ana", THEIRS))
        seats[3].leave()
        self._entered(limited, Agent("ana"))

    def test_fault_060_workspace(self) -> None:
        """The 501st socket of a workspace is refused, one of another workspace is not."""
        limited = admission(sockets_per_workspace=500)
        for number in range(500):
            self._entered(limited, Agent(f"agent{number}"))
        before = refusals("workspace")
        with pytest.raises(RateLimited) as refused:
            self._entered(limited, Agent("one more"))

        assert len(refused.value.message.encode()) <= 123
        assert refusals("workspace") == before + 1
        self._entered(limited, Agent("agent0", THEIRS))

    def test_refused_counts_nothing(self) -> None:
        """A refusal by one limit leaves nothing behind under the other."""
        limited = admission(sockets_per_subject=1, sockets_per_workspace=2)
        first = self._entered(limited, Agent("ana"))
        for _ in range(5):
            with pytest.raises(RateLimited):
                self._entered(limited, Agent("ana"))
        second = self._entered(limited, Agent("ben"))
        with pytest.raises(RateLimited):
            self._entered(limited, Agent("cid"))
        first.leave()
        self._entered(limited, Agent("cid")).leave()
        second.leave()

        assert (len(limited), limited.holders) == (0, 0)

    def test_event_stream(self) -> None:
        """What says at once who it is, is refused at once and holds no seat; the rate of upgrades is not its limit."""
        limited = admission(sockets=3, sockets_per_subject=2, upgrades_per_second=1)
        seats = [limited.open(Agent("ana")) for _ in range(2)]
        with pytest.raises(RateLimited):
            limited.open(Agent("ana"))
        assert len(limited) == 2
        limited.open(Agent("ben"))
        with pytest.raises(Overloaded):
            limited.open(Agent("cid"))
        for seat in seats:
            seat.leave()

        assert (len(limited), limited.holders) == (1, 2)

    def test_leaving_twice(self) -> None:
        """A seat is given back once, however often that is said."""
        limited = admission()
        one, other = self._entered(limited, Agent("ana")), self._entered(limited, Agent("ana"))
        for _ in range(3):
            one.leave()

        assert (len(limited), limited.holders) == (1, 2)
        other.leave()
        assert (len(limited), limited.holders) == (0, 0)

    def test_fault_154_thousand_rounds(self) -> None:
        """After 1 000 rounds of every way in and out, nothing is held."""
        generator, limited = random.Random(7), admission(sockets=20, sockets_per_workspace=15, sockets_per_subject=3)
        seats: list[Seat] = []
        for number in range(1000):
            holder = Agent(f"agent{generator.randrange(8)}", generator.choice([OURS, THEIRS]))
            try:
                seat = limited.open(holder) if generator.random() < 0.3 else limited.upgrade(number)
                seats.append(seat)
                if seat._holder is None and generator.random() < 0.8:
                    seat.enter(holder)
            except (Overloaded, RateLimited):
                pass
            while seats and generator.random() < 0.55:
                seats.pop(generator.randrange(len(seats))).leave()
        for seat in seats:
            seat.leave()

        assert (len(limited), limited.holders) == (0, 0)

    def _entered(self, limited: Admission, holder: Agent) -> Seat:
        seat = limited.upgrade(0)
        try:
            seat.enter(holder)
        except RateLimited:
            seat.leave()
            raise
        return seat
