"""The edge: the only code that touches Orthanc.

Turns Orthanc's callbacks into calls of the domain packages and their answers into Orthanc's; `start` wires a server of
either role. Everything handed to Orthanc passes `guard`. Only `sdk` imports ``orthanc``.
"""
