"""The command line ``scripts/cami``: set-up, regions, demonstration, sending, benchmarks. Runs on the host."""
