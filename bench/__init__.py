"""Measurements: `python -m bench` runs the workloads, `bench/README.md` says how; scripts beside it are commands of their own."""
