"""Phantoms: synthetic studies that look and weigh like real ones, for the demonstration, tests and benchmarks.

Every run with the same seed writes the same images under the same identifiers. The people are invented
(`cami_cli.phantoms.people`), the devices say "CAMI PHANTOM", the objects are complete for their IODs (PS3.3).
`write_phantoms` writes all of them into a folder, one МО beside the other; `plan` says what there is.
"""

from cami_cli.phantoms.plan import MODALITIES, SEED, PlannedStudy, plan
from cami_cli.phantoms.write import WrittenStudy, cache_key, read_phantoms, write_phantoms, write_study

__all__ = [
    "MODALITIES",
    "SEED",
    "PlannedStudy",
    "WrittenStudy",
    "cache_key",
    "plan",
    "read_phantoms",
    "write_phantoms",
    "write_study",
]
