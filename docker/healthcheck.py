"""The container's health check: the server answers ``/cami/health`` as the role that it was configured for.

Runs inside the image with the standard library only, every ten seconds, so it imports little. An answer of another
program, which took the port on the host's network, is no health.
"""

import http.client
import json
import sys
from pathlib import Path

CONFIGURATION = Path("/etc/cami/orthanc.json")
SECONDS = 4.0


def problem(configuration: Path) -> str | None:
    """Return why the server is not healthy, or None if it is."""
    try:
        settings = json.loads(configuration.read_text("utf-8"))
        port, role = int(settings.get("HttpPort", 8042)), settings["Cami"]["Role"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"{configuration} cannot be read: {type(error).__name__}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/cami/health", headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(4096)
    except (OSError, http.client.HTTPException) as error:
        return f"port {port} does not answer: {type(error).__name__}"
    finally:
        connection.close()
    if response.status != 200:
        return f"status {response.status}"
    try:
        answer = json.loads(body)
    except ValueError:
        return "the answer is not JSON"
    if not isinstance(answer, dict) or answer.get("status") != "ok" or answer.get("role") != role:
        return f"the answer is not that of a healthy {role}"
    return None


def main() -> int:
    """Say on one line what is wrong; Docker keeps it with the verdict."""
    found = problem(CONFIGURATION)
    sys.stdout.write(f"{found or 'ok'}\n")
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())
