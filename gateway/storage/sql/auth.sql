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
-- Always one row: what an unknown key lacks is made up, so that it takes as long as a known one. No secret has the made-up hash.
SELECT k.id IS NOT NULL AS known, coalesce(k.kind, 'write') AS kind,
       coalesce(k.workspace_id, '00000000-0000-0000-0000-000000000000') AS workspace_id, coalesce(w.key, 'none') AS workspace_key,
       coalesce(k.secret_hash, decode(repeat('00', 32), 'hex')) AS secret_hash, coalesce(k.source, '') AS source,
       coalesce(k.scopes, '{none}') AS scopes, coalesce(k.expires_at, now()) AS expires_at, k.revoked_at IS NOT NULL AS revoked
  FROM (VALUES ($1::text)) AS asked (id)
  LEFT JOIN api_key k ON k.id = asked.id
  LEFT JOIN workspace w ON w.id = k.workspace_id

-- name: label_of_write_key
SELECT source FROM api_key WHERE workspace_id = $1 AND source = $2 LIMIT 1

-- name: labels_of_write_keys
SELECT DISTINCT source FROM api_key WHERE workspace_id = $1 AND source IS NOT NULL ORDER BY source
