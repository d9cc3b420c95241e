"""The order in which the addresses of registrars are tried."""

from __future__ import annotations

from softphone.stacks.pjsip.registrars import Registrars, Target

A, B, C = (Target(f"192.0.2.{n}", 5060, "192.0.2.100", rank) for n, rank in ((1, 0), (2, 1), (3, 1)))


def test_each_is_tried_once_in_a_round() -> None:
    tried = Registrars()
    assert tried.begin([A, B, C], "same") == A
    assert (tried.next(), tried.next(), tried.next()) == (B, C, None)
    assert tried.current == C


def test_a_good_one_stays_and_all_others_may_follow_it() -> None:
    tried = Registrars()
    tried.begin([A, B, C], "same")
    tried.next()
    tried.worked()
    assert (tried.others, tried.preferred) == (2, False)
    assert tried.begin([A, B, C], "same") == B
    assert (tried.next(), tried.next(), tried.next()) == (A, C, None)


def test_after_a_round_of_failures_the_preferred_comes_first_again() -> None:
    tried = Registrars()
    tried.begin([A, B], "same")
    tried.next()
    tried.worked()
    tried.failed()
    assert tried.begin([A, B], "same") == A


def test_on_the_way_home_the_preferred_comes_first() -> None:
    tried = Registrars()
    tried.begin([A, B], "same")
    tried.next()
    tried.worked()
    assert tried.better([A, B, C]) == [A]
    assert tried.begin([A, B], "first") == A
    assert tried.next() == B


def test_equals_are_as_good_as_each_other() -> None:
    tried = Registrars()
    tried.begin([B, C], "same")
    tried.next()
    tried.worked()
    assert tried.preferred
    assert tried.better([B, C]) == []


def test_one_that_dns_names_no_more_is_left() -> None:
    tried = Registrars()
    tried.begin([A], "same")
    tried.worked()
    assert tried.begin([B, C], "same") == B
    assert not tried.knows(A.address)
    assert tried.knows(C.address)


def test_what_is_shown() -> None:
    assert str(Target("2001:db8::1", 5061, "")) == "[2001:db8::1]:5061"
    assert Target("2001:db8::1", 5061, "").version == 6
