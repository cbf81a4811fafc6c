"""Who guesses: by address, whatever the login."""

import pytest

from cami.people import Client, Reason, Refusal
from cami.people.guessing import AddressLimit
from tests.unit.people.conftest import PASSWORD, basic


def test_too_many_from_one_address_shut_it_out_for_a_while(clock):
    limit = AddressLimit(3)
    for _ in range(3):
        assert not limit.reached("10.0.0.7", clock.now())
        limit.failed("10.0.0.7", clock.now())
        clock.pass_(minutes=1)
    assert limit.reached("10.0.0.7", clock.now())
    assert not limit.reached("10.0.0.8", clock.now())
    clock.pass_(minutes=7)  # the first is ten minutes ago
    assert not limit.reached("10.0.0.7", clock.now())
    limit.failed("10.0.0.7", clock.now())
    assert limit.reached("10.0.0.7", clock.now())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "", "nonsense"])
def test_what_stands_for_everybody_is_not_counted(clock, address):
    limit = AddressLimit(1)
    limit.failed(address, clock.now())
    assert not limit.reached(address, clock.now())


def test_one_machine_has_a_whole_network_of_ipv6(clock):
    limit = AddressLimit(1)
    limit.failed("2001:db8::1", clock.now())
    assert limit.reached("2001:db8::ffff", clock.now())
    assert not limit.reached("2001:db8:1::1", clock.now())


def test_memory_is_bounded(clock):
    limit = AddressLimit(1)
    for number in range(10_002):
        limit.failed(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", clock.now())
    assert not limit.reached("10.0.0.0", clock.now())
    assert limit.reached("10.0.39.17", clock.now())


def test_the_page_and_basic_keep_to_it(easy):
    there = Client("10.0.0.7")
    for number in range(30):
        assert easy.sign_in.sign_in(f"nobody{number}", "x", there) == Refusal(Reason.WRONG)
    assert easy.sign_in.sign_in("rad1", PASSWORD, there) == Refusal(Reason.ADDRESS)
    assert easy.sign_in.sign_in("rad1", PASSWORD, Client("10.0.0.8")).identity.login == "rad1"


def test_basic_keeps_to_it_but_for_who_is_known(easy):
    there = {"x-cami-source": "10.0.0.7"}
    assert easy.authenticator.identify(basic("rad1") | there)
    for number in range(30):
        assert easy.authenticator.identify(basic(f"nobody{number}") | there) is None
    assert easy.authenticator.identify(basic("rad2") | there) is None
    assert easy.authenticator.identify(basic("rad1") | there)
    assert easy.authenticator.identify(basic("rad2"))
