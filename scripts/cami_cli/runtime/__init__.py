"""Places in which the Orthancs of a region run: a native sandbox (mmdebstrap, bubblewrap) or Docker containers."""
