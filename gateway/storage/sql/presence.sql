-- name: view_profile
-- A session looks at one profile at a time. Answers the profiles whose viewers changed, $2 among them unless it is not there.
WITH there AS (
    SELECT id FROM profile WHERE workspace_id = $1 AND id = $2 AND status = 'ACTIVE'
), left_alone AS (
    DELETE FROM presence WHERE workspace_id = $1 AND session_id = $3 AND profile_id <> $2 AND EXISTS (SELECT FROM there) RETURNING profile_id
), seen AS (
    INSERT INTO presence (workspace_id, profile_id, session_id, subject, name, kind, editing, expires_at)
    SELECT $1, id, $3, $4, $5, $6, $7, clock_timestamp() + make_interval(secs => $8) FROM there
        ON CONFLICT (workspace_id, profile_id, session_id)
        DO UPDATE SET editing = excluded.editing, name = excluded.name, kind = excluded.kind, expires_at = excluded.expires_at
    RETURNING profile_id
)
SELECT profile_id FROM seen UNION ALL SELECT profile_id FROM left_alone

-- name: renew_presence
-- The sockets of one process, every few seconds. What is missing (the server crashed: the table is unlogged) is put in again.
INSERT INTO presence (workspace_id, profile_id, session_id, subject, name, kind, editing, expires_at)
SELECT workspace_id, profile_id, session_id, subject, name, kind, editing, clock_timestamp() + make_interval(secs => $8)
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::boolean[])
       AS held (workspace_id, profile_id, session_id, subject, name, kind, editing)
    ON CONFLICT (workspace_id, profile_id, session_id) DO UPDATE SET expires_at = excluded.expires_at

-- name: leave_profiles
DELETE FROM presence p USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS gone (workspace_id, profile_id, session_id)
 WHERE (p.workspace_id, p.profile_id, p.session_id) = (gone.workspace_id, gone.profile_id, gone.session_id)

-- name: viewers
-- Who looks at these profiles now, each person once.
SELECT p.workspace_id, p.profile_id, p.subject, p.kind, max(p.name) AS name, bool_or(p.editing) AS editing
  FROM unnest($1::uuid[], $2::uuid[]) AS watched (workspace_id, profile_id)
  JOIN presence p USING (workspace_id, profile_id)
 WHERE p.expires_at > clock_timestamp()
 GROUP BY p.workspace_id, p.profile_id, p.subject, p.kind
 ORDER BY name, p.subject, p.kind
