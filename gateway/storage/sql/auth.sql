-- name: workspace_by_key
SELECT id FROM workspace WHERE key = $1

-- name: ensure_workspace
-- Reads first: asking for a workspace that is there writes nothing and waits for nobody.
WITH present AS (SELECT id FROM workspace WHERE key = $2),
     made AS (INSERT INTO workspace (id, key, name) SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM present) ON CONFLICT (key) DO NOTHING RETURNING id)
SELECT id FROM present UNION ALL SELECT id FROM made

-- name: insert_api_key
INSERT INTO api_key (id, workspace_id, kind, secret_hash, source, scopes, created_at, expires_at)
SELECT $2, w.id, $3, $4, $5, $6, $7, $8 FROM workspace w WHERE w.key = $1
RETURNING id

-- name: api_key_by_id
SELECT k.kind, k.workspace_id, w.key AS workspace_key, k.secret_hash, k.source, k.scopes, k.expires_at, k.revoked_at
  FROM api_key k
  JOIN workspace w ON w.id = k.workspace_id
 WHERE k.id = $1
