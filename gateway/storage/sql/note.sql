-- name: notes_by_profile
-- Pinned ones first, newest first; $3 and $4 are the place to start behind.
SELECT n.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, id, version, body, is_pinned, author_id, author_name, author_kind, created_at, updated_at, contact_id
         FROM note
        WHERE workspace_id = p.workspace_id AND profile_id = p.id AND (is_pinned, id) < ($3, $4)
        ORDER BY is_pinned DESC, id DESC
        LIMIT $5) n
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY n.profile_id, n.is_pinned DESC, n.id DESC

-- name: note_counts
SELECT profile_id, count(*) FROM note WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) GROUP BY profile_id

-- name: notes_by_id
SELECT n.profile_id, n.id, n.version, n.body, n.is_pinned, n.author_id, n.author_name, n.author_kind, n.created_at, n.updated_at, n.contact_id
  FROM unnest($2::uuid[], $3::uuid[]) AS wanted (profile_id, id)
  JOIN note n ON n.workspace_id = $1 AND n.profile_id = wanted.profile_id AND n.id = wanted.id

-- name: insert_note
INSERT INTO note (workspace_id, profile_id, id, body, is_pinned, author_id, author_name, author_kind, contact_id)
SELECT $1, p.id, $3, $4, $5, $6, $7, $8, $9 FROM profile p WHERE p.workspace_id = $1 AND p.id = $2 AND p.status = 'ACTIVE' FOR KEY SHARE
RETURNING id

-- name: lock_note
SELECT profile_id, id, version, body, is_pinned, author_id, author_name, author_kind, created_at, updated_at, contact_id
  FROM note
 WHERE workspace_id = $1 AND profile_id = $2 AND id = $3
   FOR UPDATE

-- name: update_note
UPDATE note SET body = coalesce($4, body), is_pinned = coalesce($5, is_pinned), version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND profile_id = $2 AND id = $3

-- name: delete_note
DELETE FROM note WHERE workspace_id = $1 AND profile_id = $2 AND id = $3

-- name: note_items_ascending
-- The notes between two places of each profile's timeline, oldest first. $10: their source's key; $12: a pattern for LIKE; $13: since when they
-- are kept, unless they are pinned.
SELECT i.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, id, version, body, is_pinned, author_id, author_name, author_kind, created_at, updated_at, contact_id
         FROM note
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND created_at >= $3 AND (created_at, $10::text COLLATE "C", id) > ($3, $4, $5::uuid)
          AND created_at <= $6 AND (created_at, $10::text COLLATE "C", id) < ($6, $7, $8::uuid)
          AND ($11::text[] IS NULL OR author_id = any($11::text[]))
          AND ($12::text IS NULL OR lower(body) LIKE $12)
          AND (is_pinned OR $13::timestamptz IS NULL OR created_at >= $13)
        ORDER BY created_at, id
        LIMIT $9) i
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY i.profile_id, i.created_at, i.id

-- name: note_items_descending
SELECT i.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, id, version, body, is_pinned, author_id, author_name, author_kind, created_at, updated_at, contact_id
         FROM note
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND created_at >= $3 AND (created_at, $10::text COLLATE "C", id) > ($3, $4, $5::uuid)
          AND created_at <= $6 AND (created_at, $10::text COLLATE "C", id) < ($6, $7, $8::uuid)
          AND ($11::text[] IS NULL OR author_id = any($11::text[]))
          AND ($12::text IS NULL OR lower(body) LIKE $12)
          AND (is_pinned OR $13::timestamptz IS NULL OR created_at >= $13)
        ORDER BY created_at DESC, id DESC
        LIMIT $9) i
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY i.profile_id, i.created_at DESC, i.id DESC
