"""МО 42002 attacks the studies of МО 42001: the fifteen cases of reference/orthanc.md §6, by HTTP, DICOMweb and portal.

Both МО have a patient with the same number, so Orthanc's patient level mixes them. Whatever a doctor of 42002 does,
nothing that is only in the studies of 42001 may come back: neither name, nor description, nor any identifier.

1 to 3, injection, duplicate Study UID, other pixels: `test_writing` (by the own proxy), `test_writing_uploads` (by POST
and STOW-RS). 4, hierarchy, and 8, searches: `test_searches`. 5, shared patient: `test_own_access`, `test_core_routes`.
6, merge and modify, 7, mixed bodies, 10, levels: `test_core_routes`. 9, addresses: `test_requests`. 11, jobs:
`test_writing_uploads`. 12, the life of a grant: `tests/unit/access/test_leaks.py`, `test_isolation_model.py`. 13,
DICOM: ``tests/integration/dicom``. 14, failures: `test_writing_past_us`, ``tests/integration/test_fail_closed.py``.
15, deputies and tokens: `test_identities`, `test_requests`. Our own interfaces: `test_api`.
"""
