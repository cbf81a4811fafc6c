"""Ports: what is in use is seen, what is chosen can be listened on."""

import socket

import pytest

from cami_cli import ports
from cami_cli.errors import Trouble


@pytest.fixture
def listener():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(listener):
    assert not ports.is_free(listener)


def test_a_port_becomes_free_when_its_listener_is_gone_although_connections_linger():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    port = server.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    accepted, _ = server.accept()
    accepted.close()  # closes first, so that its end waits in TIME_WAIT as that of a restarted server does
    client.close()
    server.close()
    assert ports.is_free(port)


def test_chosen_ports_are_different_free_and_out_of_the_way_of_outgoing_connections():
    chosen = ports.choose_free(12)
    assert len(set(chosen)) == 12
    assert all(ports.is_free(port) for port in chosen)
    assert max(chosen) < ports._first_ephemeral()


def test_a_port_in_use_is_told_with_its_number_who_needs_it_and_how_to_find_who_has_it(listener):
    with pytest.raises(Trouble) as caught:
        ports.require_free(listener, "proxy-42001")
    assert f"port {listener} is in use" in caught.value.problem
    assert "proxy-42001" in caught.value.problem
    assert "ss -ltnp" in caught.value.remedy
    assert "--base-port" in caught.value.remedy


@pytest.mark.parametrize("base", [0, -1, 65_531, 70_000])
def test_a_base_port_with_no_room_above_it_is_refused(base):
    with pytest.raises(Trouble, match="6 ports"):
        ports.consecutive(base, 6)


def test_ports_follow_the_base_port():
    assert ports.consecutive(65_530, 6) == [65_530, 65_531, 65_532, 65_533, 65_534, 65_535]
