-- name: ensure_partitions
SELECT ensure_partitions()
