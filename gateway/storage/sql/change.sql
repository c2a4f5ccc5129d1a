-- name: insert_change_records
INSERT INTO change (workspace_id, profile_id, id, action, actor_id, actor_name, actor_kind, fields, reason, contact_id)
SELECT $1, profile_id, id, action, actor_id, actor_name, actor_kind, fields, reason, contact_id
  FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::text[], $10::uuid[])
       AS new (profile_id, id, action, actor_id, actor_name, actor_kind, fields, reason, contact_id)

-- name: changes_by_profile
-- A page of each profile's changes, newest first, below the id $3.
SELECT c.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, id, at, action, actor_id, actor_name, actor_kind, fields, reason
         FROM change
        WHERE workspace_id = p.workspace_id AND profile_id = p.id AND id < $3
        ORDER BY id DESC
        LIMIT $4) c
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY c.profile_id, c.id DESC

-- name: changes_by_id
SELECT c.profile_id, c.id, c.at, c.action, c.actor_id, c.actor_name, c.actor_kind, c.fields, c.reason
  FROM unnest($2::uuid[], $3::uuid[]) AS wanted (profile_id, id)
  JOIN change c ON c.workspace_id = $1 AND c.profile_id = wanted.profile_id AND c.id = wanted.id

-- name: change_items_ascending
-- The changes between two places of each profile's timeline, oldest first; parameters as of note_items_ascending.
SELECT i.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, id, at, action, actor_id, actor_name, actor_kind, fields, reason
         FROM change
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND at >= $3 AND (at, $10::text COLLATE "C", id) > ($3, $4, $5::uuid)
          AND at <= $6 AND (at, $10::text COLLATE "C", id) < ($6, $7, $8::uuid)
          AND ($11::text[] IS NULL OR actor_id = any($11::text[]))
          AND ($12::text IS NULL OR lower(reason) LIKE $12
               OR EXISTS (SELECT FROM jsonb_array_elements(fields) AS one (value) WHERE lower(value ->> 'field') LIKE $12))
          AND ($13::timestamptz IS NULL OR at >= $13)
        ORDER BY at, id
        LIMIT $9) i
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY i.profile_id, i.at, i.id

-- name: change_items_descending
SELECT i.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, id, at, action, actor_id, actor_name, actor_kind, fields, reason
         FROM change
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND at >= $3 AND (at, $10::text COLLATE "C", id) > ($3, $4, $5::uuid)
          AND at <= $6 AND (at, $10::text COLLATE "C", id) < ($6, $7, $8::uuid)
          AND ($11::text[] IS NULL OR actor_id = any($11::text[]))
          AND ($12::text IS NULL OR lower(reason) LIKE $12
               OR EXISTS (SELECT FROM jsonb_array_elements(fields) AS one (value) WHERE lower(value ->> 'field') LIKE $12))
          AND ($13::timestamptz IS NULL OR at >= $13)
        ORDER BY at DESC, id DESC
        LIMIT $9) i
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY i.profile_id, i.at DESC, i.id DESC
