-- name: claim_arrival
-- Each message once.
INSERT INTO arrival (workspace_id, source, message_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING message_id

-- name: raise_marks
-- The parts of persons of which this is the newest that their source told; the others came out of order. Versions decide where both have one, then
-- moments. `is_new`: the source told nothing of the part before, as far as is remembered.
INSERT INTO arrival_mark AS m (workspace_id, profile_id, source, part, version, at)
SELECT $1, profile_id, $2, part, $5, $6
  FROM unnest($3::uuid[], $4::text[]) AS new (profile_id, part)
 ORDER BY profile_id, part
    ON CONFLICT (workspace_id, profile_id, source, part) DO UPDATE
   SET version = greatest(m.version, excluded.version), at = greatest(m.at, excluded.at), received_at = clock_timestamp()
 WHERE CASE WHEN excluded.version IS NOT NULL AND m.version IS NOT NULL THEN excluded.version > m.version
            WHEN excluded.at IS NOT NULL AND m.at IS NOT NULL THEN excluded.at >= m.at
            ELSE true END
RETURNING profile_id, part, xmax::text = '0' AS is_new

-- name: keep_waiting
-- Unless $7 of the source wait already.
INSERT INTO arrival_waiting (workspace_id, key, value, source, message_id, news)
SELECT $1, $2, $3, $4, $5, $6
 WHERE (SELECT count(*) FROM (SELECT FROM arrival_waiting WHERE workspace_id = $1 AND source = $4 LIMIT $7) AS others) < $7
    ON CONFLICT DO NOTHING
RETURNING message_id

-- name: arrivals_awaited
-- Sources with news of somebody who has become known: their workspaces, $1 at most.
SELECT DISTINCT a.workspace_id, w.key AS workspace_key, a.source
  FROM arrival_waiting a
  JOIN workspace w ON w.id = a.workspace_id
 WHERE EXISTS (SELECT FROM lookup l WHERE l.workspace_id = a.workspace_id AND l.key = a.key AND l.value = a.value)
 LIMIT $1

-- name: take_waiting
-- $3 of them at most, the oldest first; those that another process takes are passed over.
WITH due AS (
    SELECT a.key, a.value, a.message_id
      FROM arrival_waiting a
     WHERE a.workspace_id = $1 AND a.source = $2
       AND EXISTS (SELECT FROM lookup l WHERE l.workspace_id = $1 AND l.key = a.key AND l.value = a.value)
     ORDER BY a.received_at
     LIMIT $3
       FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM arrival_waiting a
     USING due d
     WHERE a.workspace_id = $1 AND a.source = $2 AND a.key = d.key AND a.value = d.value AND a.message_id = d.message_id
    RETURNING a.key, a.value, a.news, a.received_at
)
SELECT key, value, news FROM taken ORDER BY received_at

-- name: expire_arrivals
WITH deleted AS (
    DELETE FROM arrival WHERE ctid = any(ARRAY(SELECT ctid FROM arrival WHERE received_at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: expire_marks
WITH deleted AS (
    DELETE FROM arrival_mark WHERE ctid = any(ARRAY(SELECT ctid FROM arrival_mark WHERE received_at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: expire_waiting
WITH deleted AS (
    DELETE FROM arrival_waiting WHERE ctid = any(ARRAY(SELECT ctid FROM arrival_waiting WHERE received_at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted
