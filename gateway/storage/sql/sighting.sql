-- name: sighting_moment
-- The moment by which sightings are compared, whichever process asks.
SELECT clock_timestamp() AS now

-- name: sightings_due
-- Which of these profiles nobody has asked the source $3 about within the last $4 seconds.
SELECT q.id
  FROM unnest($2::uuid[]) WITH ORDINALITY AS q (id, n)
  LEFT JOIN source_sighting s ON s.workspace_id = $1 AND s.profile_id = q.id AND s.source = $3
 WHERE s.asked_at IS NULL OR s.asked_at < clock_timestamp() - make_interval(secs => $4)
 ORDER BY q.n

-- name: make_sightings
-- Of living profiles only (they are held): of nobody else is anything kept.
INSERT INTO source_sighting (workspace_id, profile_id, source, asked_at, prints)
SELECT $1, p.id, $3, '-infinity', '{}'
  FROM profile p
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[]) AND p.status = 'ACTIVE'
 ORDER BY p.id
    ON CONFLICT DO NOTHING

-- name: lock_sightings
SELECT profile_id, CASE WHEN isfinite(asked_at) THEN asked_at END AS asked_at, healed_at, prints
  FROM source_sighting
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND source = $3
 ORDER BY profile_id
   FOR NO KEY UPDATE

-- name: keep_sightings
-- $6: whether what was missed was entered too.
UPDATE source_sighting s
   SET asked_at = new.asked_at, prints = new.prints, healed_at = CASE WHEN new.healed THEN clock_timestamp() ELSE s.healed_at END
  FROM unnest($3::uuid[], $4::timestamptz[], $5::jsonb[], $6::boolean[]) AS new (profile_id, asked_at, prints, healed)
 WHERE s.workspace_id = $1 AND s.source = $2 AND s.profile_id = new.profile_id

-- name: expire_sightings
WITH deleted AS (
    DELETE FROM source_sighting WHERE ctid = any(ARRAY(SELECT ctid FROM source_sighting WHERE asked_at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted
