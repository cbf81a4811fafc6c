"""Nobody else gets a port that is held, and nobody is answered on it."""

import socket

import pytest

from cami.boot.ports import HeldPort, hold, http_address
from cami.errors import Misconfigured


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listen_like_orthanc(address: str, port: int) -> socket.socket:
    """Civetweb and DCMTK both set SO_REUSEADDR."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


@pytest.mark.parametrize("held_address", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("other_address", ["127.0.0.1", "0.0.0.0"])
def test_held_port_cannot_be_listened_on(held_address, other_address):
    port = free_port()
    held = HeldPort("HttpPort", held_address, port)
    with pytest.raises(OSError, match="in use"):
        listen_like_orthanc(other_address, port)
    held.release()
    listen_like_orthanc(other_address, port).close()


def test_callers_are_turned_away():
    port = free_port()
    held = HeldPort("HttpPort", "127.0.0.1", port)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
        held.turn_away()
        with pytest.raises(ConnectionResetError):
            caller.recv(1)
    held.release()


def test_callers_who_wait_when_the_port_is_released_are_turned_away():
    port = free_port()
    held = HeldPort("HttpPort", "127.0.0.1", port)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
        held.release()
        with pytest.raises(ConnectionResetError):
            caller.recv(1)


def test_port_in_use_is_told_and_nothing_stays_held():
    http, dicom = free_port(), free_port()
    configuration = {"HttpPort": http, "HttpBindAddresses": ["127.0.0.1"], "DicomPort": dicom}
    taken = listen_like_orthanc("127.0.0.1", dicom)
    with pytest.raises(Misconfigured, match=f'port {dicom} of 0.0.0.0 cannot be opened .* another "DicomPort"'):
        hold(configuration)
    listen_like_orthanc("127.0.0.1", http).close()
    taken.close()
    for port in hold(configuration):
        port.release()


@pytest.mark.parametrize(("dicom", "ports"), [(True, 2), (False, 1)])
def test_a_closed_dicom_port_is_not_held(dicom, ports):
    held = hold({"HttpPort": free_port(), "DicomPort": free_port(), "DicomServerEnabled": dicom})
    assert len(held) == ports
    for port in held:
        port.release()


@pytest.mark.parametrize(
    ("addresses", "address"),
    [(None, "127.0.0.1"), (["0.0.0.0"], "127.0.0.1"), (["10.0.0.1", "127.0.0.1"], "127.0.0.1"), (["::1"], "::1")],
)
def test_where_to_ask(addresses, address):
    assert http_address({"HttpBindAddresses": addresses} if addresses else {}) == address
