"""What Orthanc's PythonScript names at the centre."""

from cami.edge.start import start

start("central")
