-- name: upsert_revocation
INSERT INTO revocation (workspace_id, subject, actor_id, reason) VALUES ($1, $2, $3, $4)
    ON CONFLICT (workspace_id, subject) DO UPDATE SET at = excluded.at, actor_id = excluded.actor_id, reason = excluded.reason

-- name: revocations_since
SELECT workspace_id, subject, at FROM revocation WHERE at >= $1 ORDER BY at
