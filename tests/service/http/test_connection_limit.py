from __future__ import annotations

import logging
import resource
from dataclasses import dataclass

import pytest

from service.http.connection_limit import RESERVED_DESCRIPTORS, ConnectionLimit, available_places


@dataclass(eq=False)
class Client:
    gone: bool = False

    def give_way(self) -> None:
        self.gone = True


def entered(limit: ConnectionLimit, count: int) -> list[Client]:
    clients = [Client() for _ in range(count)]
    assert all(limit.enter(client) for client in clients)
    return clients


def test_a_newcomer_takes_the_place_of_who_was_waited_for_longest() -> None:
    limit = ConnectionLimit(3)
    first, second, third = entered(limit, 3)
    limit.waits(first)  # it has begun something new
    entered(limit, 1)
    assert [client.gone for client in (first, second, third)] == [False, True, False]
    entered(limit, 1)
    assert [client.gone for client in (first, second, third)] == [False, True, True]
    assert len(limit) == 3


def test_nobody_gives_way_who_waits_for_an_answer() -> None:
    limit = ConnectionLimit(2)
    first, second = entered(limit, 2)
    limit.works(first)
    limit.works(second)
    newcomer = Client()
    assert not limit.enter(newcomer)
    limit.waits(newcomer)  # it is told so, and holds no place meanwhile
    assert len(limit) == 2
    limit.waits(second)
    assert limit.enter(Client())
    assert (first.gone, second.gone) == (False, True)


def test_who_leaves_makes_room() -> None:
    limit = ConnectionLimit(1)
    (first,) = entered(limit, 1)
    limit.leave(first)
    limit.leave(first)
    entered(limit, 1)
    assert not first.gone


def test_places_go_as_far_as_descriptors_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"now": (256, 1000)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.update(now=new))
    assert available_places(100) == 100
    assert limits["now"] == (256, 1000)
    assert available_places(500) == 500
    assert limits["now"] == (500 + RESERVED_DESCRIPTORS, 1000)
    assert not caplog.messages
    with caplog.at_level(logging.WARNING):
        assert available_places(5000) == 1000 - RESERVED_DESCRIPTORS
    assert limits["now"] == (1000, 1000)
    assert caplog.messages == ["1000 descriptors leave room for 872 connections"]
