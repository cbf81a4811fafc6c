"""МО 42002 attacks the studies of МО 42001: reference/orthanc.md §6, cases 1-11, 13-15 as far as they exist yet.

Both МО have a patient with the same number, so Orthanc's patient level mixes them. Whatever a doctor of 42002 does,
nothing that is only in the studies of 42001 may come back: neither name, nor description, nor any identifier.
"""
