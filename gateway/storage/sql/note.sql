-- name: notes_by_profile
-- Newest first; $3 is the id to start below.
SELECT n.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, id, version, body, is_pinned, author_id, author_name, author_kind, created_at, updated_at
         FROM note
        WHERE workspace_id = p.workspace_id AND profile_id = p.id AND id < $3
        ORDER BY id DESC
        LIMIT $4) n
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY n.profile_id, n.id DESC

-- name: note_counts
SELECT profile_id, count(*) FROM note WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) GROUP BY profile_id

-- name: notes_by_id
SELECT n.profile_id, n.id, n.version, n.body, n.is_pinned, n.author_id, n.author_name, n.author_kind, n.created_at, n.updated_at
  FROM unnest($2::uuid[], $3::uuid[]) AS wanted (profile_id, id)
  JOIN note n ON n.workspace_id = $1 AND n.profile_id = wanted.profile_id AND n.id = wanted.id

-- name: insert_note
INSERT INTO note (workspace_id, profile_id, id, body, is_pinned, author_id, author_name, author_kind)
SELECT $1, p.id, $3, $4, $5, $6, $7, $8 FROM profile p WHERE p.workspace_id = $1 AND p.id = $2
RETURNING id

-- name: lock_note
SELECT profile_id, id, version, body, is_pinned, author_id, author_name, author_kind, created_at, updated_at
  FROM note
 WHERE workspace_id = $1 AND profile_id = $2 AND id = $3
   FOR UPDATE

-- name: update_note
UPDATE note SET body = coalesce($4, body), is_pinned = coalesce($5, is_pinned), version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND profile_id = $2 AND id = $3

-- name: delete_note
DELETE FROM note WHERE workspace_id = $1 AND profile_id = $2 AND id = $3
