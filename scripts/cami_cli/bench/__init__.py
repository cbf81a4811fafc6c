"""Benchmarks: ours and a peer, measured in turn in one run, written as a table and as ``build/bench/NAME.json``.

A figure here is only ever one that this run has measured; what could not be measured says why and is not met.
docs/benchmarks.md tells how to read them.
"""
