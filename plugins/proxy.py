"""What Orthanc's PythonScript names at a PACS Proxy."""

from cami.edge.start import start

start("proxy")
