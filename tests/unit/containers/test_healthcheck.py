"""The image's health check against servers that answer, answer wrongly, or do not."""

import importlib.util
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "docker" / "healthcheck.py"


@pytest.fixture(scope="module")
def healthcheck():
    spec = importlib.util.spec_from_file_location("healthcheck", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def configured(tmp_path):
    """Write a configuration for a port."""

    def write(port, role="proxy"):
        file = tmp_path / "orthanc.json"
        file.write_text(json.dumps({"HttpPort": port, "Cami": {"Role": role}}))
        return file

    return write


@pytest.fixture
def answering():
    """Start servers that answer /cami/health with a status and a body."""
    servers = []

    def start(status, body):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                right = self.path == "/cami/health"
                self.send_response(status if right else 418)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_answer_of_a_healthy_server_of_that_role(healthcheck, configured, answering):
    port = answering(200, b'{"status": "ok", "role": "proxy"}')
    assert healthcheck.problem(configured(port)) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"status": "ok", "role": "central"}'),
        (200, b'{"status": "starting", "role": "proxy"}'),
        (200, b"[]"),
        (200, b"<html>Welcome to nginx</html>"),
        (503, b'{"status": "ok", "role": "proxy"}'),
        (401, b""),
    ],
)
def test_any_other_answer_is_no_health(healthcheck, configured, answering, status, body):
    assert healthcheck.problem(configured(answering(status, body))) is not None


def test_a_closed_port_is_no_health(healthcheck, configured):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "does not answer" in healthcheck.problem(configured(port))


def test_silence_is_no_health(healthcheck, configured, monkeypatch):
    monkeypatch.setattr(healthcheck, "SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer" in healthcheck.problem(configured(silent.getsockname()[1]))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"HttpPort": "x", "Cami": {"Role": "proxy"}}', '{"HttpPort": 1}'])
def test_a_configuration_that_says_nothing_is_no_health(healthcheck, tmp_path, text):
    file = tmp_path / "orthanc.json"
    file.write_text(text)
    assert "cannot be read" in healthcheck.problem(file)


def test_the_exit_code_is_the_verdict(healthcheck, configured, answering, monkeypatch, capsys):
    monkeypatch.setattr(healthcheck, "CONFIGURATION", configured(answering(200, b'{"status": "ok", "role": "proxy"}')))
    assert (healthcheck.main(), capsys.readouterr().out) == (0, "ok\n")
    monkeypatch.setattr(healthcheck, "CONFIGURATION", SCRIPT.with_name("missing.json"))
    assert healthcheck.main() == 1
    assert capsys.readouterr().out.count("\n") == 1
