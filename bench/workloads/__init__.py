"""One file per workload of the bench; each has a `WORKLOAD`."""
