"""What others do: a stock Orthanc that asks a web service about each request.

The official authorization plugin is not in Debian, so its design is imitated: before each request a call to a service
on this machine, on a connection that is kept, with the resource and the token. The service grants everything at once,
without a database: less than a real one has to do.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cami_cli.runtime.base import CONFIGURATION, Server

_PLUGIN = """
import http.client, json, threading
import orthanc

PORT = {port}
connections = {{}}

def ask(uri, method, ip, headers, get):
    key = threading.get_ident()
    asked = {{"dicom-uid": uri, "level": "instance", "method": method, "token-value": headers.get("token", "")}}
    body = json.dumps(asked)
    for attempt in (1, 2):
        line = connections.get(key)
        if line is None:
            line = connections[key] = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        try:
            line.request("POST", "/tokens/validate", body, {{"Content-Type": "application/json"}})
            return bool(json.loads(line.getresponse().read())["granted"])
        except OSError:
            connections.pop(key, None)
    return False

def gate(uri, method, ip=None, headers={{}}, get={{}}):
    return ask(uri, method, ip, headers, get)

orthanc.RegisterIncomingHttpRequestFilter(gate)
"""

_SERVICE = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = json.dumps({"granted": True, "validity": 0}).encode()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Service:
    """The web service, as a process of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen([sys.executable, "-c", _SERVICE, str(self._port)], stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


def prepare_asking(server: Server, configuration: dict[str, Any], port: int) -> None:
    """Write the configuration of a stock Orthanc that asks the service at `port`."""
    script = "asking.py"
    configuration["Plugins"] = ["/usr/share/orthanc/plugins/libOrthancPython.so", *configuration["Plugins"]]
    configuration["Python"] = {"Path": f"{CONFIGURATION}/{script}", "AllowThreads": True}
    Path(server.configuration, script).write_text(_PLUGIN.format(port=port), "utf-8")
    Path(server.configuration, "orthanc.json").write_text(json.dumps(configuration), "utf-8")
