"""Starts an Orthanc that refuses strangers, or none: ``python3 -m cami.boot /etc/cami/orthanc.json``.

The first process of a server (PID 1 of the container or sandbox). It checks the configuration and the files, migrates
the database, and starts Orthanc while it holds Orthanc's ports itself; it gives them up only when the plugin says, from
inside Orthanc, that it guards the door. Then it watches over Orthanc: passes signals on, reaps children, asks as a
stranger from time to time, and kills the server at once if a stranger is answered (docs/adr/0003).

The plugin calls `cami.boot.ready.announce_ready` when all of its hooks are registered. Only the standard library is
imported here: what needs more runs in a process of its own that ends before Orthanc starts.
"""
