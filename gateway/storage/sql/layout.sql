-- name: preferences_by_subject
SELECT subject, version, visible FROM preference WHERE workspace_id = $1 AND subject = any($2::text[])

-- name: lock_preference
SELECT version, visible FROM preference WHERE workspace_id = $1 AND subject = $2 FOR UPDATE

-- name: insert_preference
INSERT INTO preference (workspace_id, subject, visible) VALUES ($1, $2, $3::text[]) ON CONFLICT DO NOTHING RETURNING version

-- name: update_preference
UPDATE preference SET visible = $3::text[], version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND subject = $2

-- name: layouts_by_name
SELECT name, version, header, sections, external_activity_types, timeline_order
  FROM layout
 WHERE workspace_id = $1 AND name = any($2::text[])

-- name: lock_layout
SELECT name, version, header, sections, external_activity_types, timeline_order
  FROM layout
 WHERE workspace_id = $1 AND name = $2
   FOR UPDATE

-- name: insert_layout
INSERT INTO layout (workspace_id, name, header, sections, external_activity_types, timeline_order, updated_by)
VALUES ($1, $2, $3::text[], $4::jsonb, $5::text[], $6, $7)
    ON CONFLICT DO NOTHING
RETURNING version

-- name: update_layout
UPDATE layout
   SET header = $3::text[], sections = $4::jsonb, external_activity_types = $5::text[], timeline_order = $6, updated_by = $7,
       version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND name = $2

-- name: traits_of_source
-- What one source says of some keys of one profile, with what is sealed.
SELECT key, value, sealed, actor_id FROM trait WHERE workspace_id = $1 AND profile_id = $2 AND source = $3 AND key = any($4::text[])

-- name: upsert_sealed_traits
-- As upsert_traits, for values that are kept encrypted.
INSERT INTO trait AS t (workspace_id, profile_id, key, source, value, sealed, kind, category, observed_at, actor_id, actor_name, actor_kind)
SELECT $1, profile_id, key, source, 'null', sealed, kind, category, observed_at, actor_id, actor_name, actor_kind
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::text[], $11::text[])
       AS new (profile_id, key, source, sealed, kind, category, observed_at, actor_id, actor_name, actor_kind)
 ORDER BY profile_id, key, source
    ON CONFLICT (workspace_id, profile_id, key, source) DO UPDATE
   SET value = excluded.value, sealed = excluded.sealed, kind = excluded.kind, category = excluded.category,
       observed_at = excluded.observed_at, actor_id = excluded.actor_id, actor_name = excluded.actor_name, actor_kind = excluded.actor_kind
 WHERE excluded.observed_at >= t.observed_at
RETURNING profile_id, key
