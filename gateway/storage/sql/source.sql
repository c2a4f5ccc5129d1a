-- name: keys_by_profile
-- By which values each living profile of $3 is known elsewhere, by the kind of key $2; a sealed identifier is none. The ids of profiles that were merged
-- into it go on naming it.
SELECT q.n, k.value
  FROM unnest($2::text[], $3::uuid[]) WITH ORDINALITY AS q (key, profile_id, n)
  JOIN profile p ON p.workspace_id = $1 AND p.id = q.profile_id AND p.status = 'ACTIVE'
 CROSS JOIN LATERAL (
       (SELECT i.normalized AS value, 0 AS rank, i.id
          FROM identifier i
         WHERE i.workspace_id = $1 AND i.profile_id = q.profile_id AND i.type = q.key AND i.sealed IS NULL
         ORDER BY i.id
         LIMIT 20)
        UNION ALL
       (SELECT c.normalized, (NOT c.is_primary)::integer, c.id
          FROM contact_point c
         WHERE c.workspace_id = $1 AND c.profile_id = q.profile_id
           AND c.channel = any(CASE q.key WHEN 'email' THEN '{EMAIL}'::text[] WHEN 'phone' THEN '{VOICE,SMS,WHATSAPP}'::text[] END)
         ORDER BY c.is_primary DESC, c.id
         LIMIT 20)
        UNION ALL
       (WITH RECURSIVE known AS (
            SELECT q.profile_id AS id, 0 AS hops
             WHERE q.key = 'profile_id'
             UNION ALL
            SELECT gone.id, known.hops + 1
              FROM known
              JOIN profile gone ON gone.workspace_id = $1 AND gone.merged_into = known.id
             WHERE known.hops < 25
        )
        SELECT 'prf_' || replace(known.id::text, '-', ''), known.hops, known.id
          FROM known
         ORDER BY known.hops, known.id
         LIMIT 20)) AS k
 ORDER BY q.n, k.rank, k.id

-- name: owners_by_key
-- The living profiles that have each value $3 of the kind of key $2, or are or were the profile $4: what was merged away leads to the survivor.
WITH RECURSIVE asked AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY AS q (key, value, profile_id, n)
), way AS (
    (SELECT a.n, a.profile_id AS at, 0 AS hops
       FROM asked a
      WHERE a.profile_id IS NOT NULL
      UNION ALL
     SELECT a.n, l.profile_id, 0
       FROM asked a
      CROSS JOIN LATERAL (
            SELECT profile_id FROM lookup WHERE workspace_id = $1 AND key = a.key AND value = a.value ORDER BY profile_id LIMIT 100) AS l)
     UNION ALL
    SELECT w.n, p.merged_into, w.hops + 1
      FROM way w
      JOIN profile p ON p.workspace_id = $1 AND p.id = w.at
     WHERE p.status = 'MERGED' AND w.hops < 25
)
SELECT DISTINCT w.n, p.id
  FROM way w
  JOIN profile p ON p.workspace_id = $1 AND p.id = w.at AND p.status = 'ACTIVE'
 ORDER BY w.n, p.id
