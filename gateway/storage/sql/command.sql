-- name: claim_idempotency_key
-- A second request with the same key waits here until the first has committed, and then finds its row.
INSERT INTO idempotency (workspace_id, actor, key, input_hash) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING key

-- name: idempotency_result
SELECT input_hash, result FROM idempotency WHERE workspace_id = $1 AND actor = $2 AND key = $3

-- name: keep_idempotency_result
UPDATE idempotency SET result = $4 WHERE workspace_id = $1 AND actor = $2 AND key = $3
