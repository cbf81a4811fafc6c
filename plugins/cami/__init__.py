"""ЦАМИ: the regional Central Archive of Medical Images, as plugins of a stock Orthanc.

Importing this package does nothing: no Orthanc, no database, no network, no thread.
"""

__version__ = "0.1.0"
