-- name: profiles_by_id
-- The head is read in the same statement as the profile: whoever subscribes after it misses nothing of what follows. So is what the workspace's
-- layout shows of timelines: a screen would ask for that alone otherwise. The incarnation is what the session remembers (`server_remember`).
SELECT p.id, p.version, p.status, p.lifecycle, p.first_name, p.middle_name, p.last_name, p.avatar_url, p.locale, p.time_zone,
       p.birth_date, p.customer_since, p.created_at, p.updated_at,
       incarnated(h.epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch,
       h.head, p.merged_into,
       (SELECT external_activity_types FROM layout WHERE workspace_id = $1 AND name = 'default') AS external_types
  FROM profile p
  JOIN stream_head h ON h.workspace_id = p.workspace_id AND h.stream_id = p.id
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])

-- name: profile_ids_by_lookup
SELECT q.n, l.profile_id
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS q (key, value, n)
 CROSS JOIN LATERAL (
       SELECT profile_id FROM lookup WHERE workspace_id = $1 AND key = q.key AND value = q.value ORDER BY profile_id LIMIT 5000) AS l
 ORDER BY q.n, l.profile_id

-- name: profile_ids_by_lookup_among
SELECT q.n, l.profile_id
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS q (key, value, n)
  JOIN lookup l ON l.workspace_id = $1 AND l.key = q.key AND l.value = q.value AND l.profile_id = any($4::uuid[])
 ORDER BY q.n, l.profile_id

-- name: first_owners_by_lookup
-- At most two profiles per value: enough to know whether it is one profile's alone, however many share it.
SELECT q.n, (array_agg(l.profile_id ORDER BY l.profile_id))[1:2] AS owners
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS q (key, value, n)
  JOIN lookup l ON l.workspace_id = $1 AND l.key = q.key AND l.value = q.value
 GROUP BY q.n

-- name: contacts_by_profile
-- Contact points (kind 'C') and identifiers (kind 'I') of profiles, in one statement: a screen shows both.
SELECT 'C' AS kind, profile_id, id, channel AS type, custom_channel, raw, normalized, label, is_primary, is_verified, source, created_at AS at,
       false AS is_sealed
  FROM contact_point
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'I', profile_id, id, type, NULL, raw, normalized, NULL, false, is_verified, source, added_at, sealed IS NOT NULL
  FROM identifier
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 ORDER BY kind, is_primary DESC, id

-- name: traits_by_profile
SELECT profile_id, key, source, value, kind, category, confidence, computed_from, model, observed_at, expires_at,
       actor_id, actor_name, actor_kind, sealed IS NOT NULL AS is_sealed
  FROM trait
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND ($3::text[] IS NULL OR key = any($3::text[]))

-- name: insert_profiles
INSERT INTO profile (workspace_id, id, lifecycle, first_name, last_name, edited_fields)
SELECT $1, id, lifecycle, first_name, last_name, string_to_array(edited, ',')
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS new (id, lifecycle, first_name, last_name, edited)

-- name: lock_profile
-- A living one only: what was merged away or erased takes no changes (`commands.standing` says why). NO KEY, so that those who merely hold a
-- profile against a merge (`hold_profiles`) do not wait.
SELECT p.id, p.version, p.status, p.lifecycle, p.first_name, p.middle_name, p.last_name, p.avatar_url, p.locale, p.time_zone,
       p.birth_date, p.customer_since, p.created_at, p.updated_at, incarnated(h.epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch, h.head, p.merged_into
  FROM profile p
  JOIN stream_head h ON h.workspace_id = p.workspace_id AND h.stream_id = p.id
 WHERE p.workspace_id = $1 AND p.id = $2 AND p.status = 'ACTIVE'
   FOR NO KEY UPDATE OF p

-- name: update_profile
-- Each flag says whether its column was given: absent keeps, null clears.
UPDATE profile
   SET first_name = CASE WHEN $3 THEN $4 ELSE first_name END,
       last_name = CASE WHEN $5 THEN $6 ELSE last_name END,
       lifecycle = coalesce($7, lifecycle),
       edited_fields = ARRAY(SELECT DISTINCT unnest(edited_fields || $8::text[])),
       version = version + 1,
       updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND id = $2
RETURNING version

-- name: touch_profile
UPDATE profile SET version = version + 1, updated_at = clock_timestamp() WHERE workspace_id = $1 AND id = $2

-- name: upsert_contact_points
INSERT INTO contact_point (workspace_id, profile_id, id, channel, custom_channel, raw, normalized, label, is_primary, source)
SELECT $1, new.profile_id, new.id, new.channel, new.custom_channel, new.raw, new.normalized, new.label,
       NOT EXISTS (SELECT FROM contact_point c
                    WHERE c.workspace_id = $1 AND c.profile_id = new.profile_id AND c.channel = new.channel
                      AND c.custom_channel IS NOT DISTINCT FROM new.custom_channel AND c.is_primary)
       AND new.first_of_channel,
       new.source
  FROM (SELECT *, row_number() OVER (PARTITION BY profile_id, channel, custom_channel ORDER BY id) = 1 AS first_of_channel
          FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
               AS given (profile_id, id, channel, custom_channel, raw, normalized, label, source)) AS new
    ON CONFLICT DO NOTHING
RETURNING profile_id, id

-- name: contact_point_by_id
SELECT id, channel, custom_channel, raw, normalized, label, is_primary
  FROM contact_point
 WHERE workspace_id = $1 AND profile_id = $2 AND id = $3

-- name: unset_primary_contact_point
-- Before another one is set: the index allows one primary per channel at every moment.
UPDATE contact_point SET is_primary = false
 WHERE workspace_id = $1 AND profile_id = $2 AND channel = $3 AND custom_channel IS NOT DISTINCT FROM $4 AND is_primary AND id <> $5

-- name: set_primary_contact_point
UPDATE contact_point SET is_primary = true WHERE workspace_id = $1 AND profile_id = $2 AND id = $3

-- name: update_contact_point
UPDATE contact_point SET raw = $4, normalized = $5, label = $6
 WHERE workspace_id = $1 AND profile_id = $2 AND id = $3

-- name: delete_contact_points
DELETE FROM contact_point WHERE workspace_id = $1 AND profile_id = $2 AND id = any($3::uuid[]) RETURNING id, channel, custom_channel, normalized

-- name: promote_contact_points
-- A channel that lost its primary promotes its oldest other.
UPDATE contact_point c SET is_primary = true
 WHERE c.workspace_id = $1 AND c.profile_id = $2
   AND c.id = (SELECT o.id FROM contact_point o
                WHERE o.workspace_id = $1 AND o.profile_id = $2 AND o.channel = c.channel
                  AND o.custom_channel IS NOT DISTINCT FROM c.custom_channel
                ORDER BY o.id LIMIT 1)
   AND NOT EXISTS (SELECT FROM contact_point o
                    WHERE o.workspace_id = $1 AND o.profile_id = $2 AND o.channel = c.channel
                      AND o.custom_channel IS NOT DISTINCT FROM c.custom_channel AND o.is_primary)

-- name: insert_identifiers
INSERT INTO identifier (workspace_id, profile_id, id, type, raw, normalized, source, sealed)
SELECT $1, profile_id, id, type, raw, normalized, source, sealed
  FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])
       AS new (profile_id, id, type, raw, normalized, source, sealed)
    ON CONFLICT DO NOTHING
RETURNING profile_id, id

-- name: delete_identifiers
DELETE FROM identifier WHERE workspace_id = $1 AND profile_id = $2 AND id = any($3::uuid[]) RETURNING id, type, normalized

-- name: claim_lookups
-- In the order of the values, so that two transactions that claim the same values wait instead of deadlocking.
INSERT INTO lookup (workspace_id, key, value, profile_id, exclusive)
SELECT $1, key, value, profile_id, exclusive
  FROM unnest($2::text[], $3::text[], $4::uuid[], $5::boolean[]) AS new (key, value, profile_id, exclusive)
 ORDER BY key, value, profile_id
    ON CONFLICT DO NOTHING
RETURNING key, value, profile_id

-- name: release_lookups
DELETE FROM lookup l
 USING unnest($3::text[], $4::text[]) AS old (key, value)
 WHERE l.workspace_id = $1 AND l.profile_id = $2 AND l.key = old.key AND l.value = old.value

-- name: upsert_traits
-- A late event never overwrites a newer observation of the same source.
INSERT INTO trait AS t (workspace_id, profile_id, key, source, value, kind, category, observed_at, actor_id, actor_name, actor_kind)
SELECT $1, profile_id, key, source, value, kind, category, observed_at, actor_id, actor_name, actor_kind
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::text[], $11::text[])
       AS new (profile_id, key, source, value, kind, category, observed_at, actor_id, actor_name, actor_kind)
 ORDER BY profile_id, key, source
    ON CONFLICT (workspace_id, profile_id, key, source) DO UPDATE
   SET value = excluded.value, kind = excluded.kind, category = excluded.category, observed_at = excluded.observed_at,
       actor_id = excluded.actor_id, actor_name = excluded.actor_name, actor_kind = excluded.actor_kind, sealed = NULL,
       -- what was said about the earlier value does not hold for this one; `describe_traits` says it anew
       confidence = NULL, model = NULL, computed_from = NULL, expires_at = NULL
 WHERE excluded.observed_at >= t.observed_at
RETURNING profile_id, key

-- name: delete_traits
DELETE FROM trait WHERE workspace_id = $1 AND profile_id = $2 AND source = $3 AND key = any($4::text[])

-- name: count_traits
SELECT count(DISTINCT key) FROM trait WHERE workspace_id = $1 AND profile_id = $2

-- name: apply_identified_fields
-- What a source says of the person; columns an agent edited keep the agent's value. Only rows that really change are written.
UPDATE profile p
   SET first_name = CASE WHEN 'first_name' = any(p.edited_fields) THEN p.first_name ELSE coalesce(new.first_name, p.first_name) END,
       last_name = CASE WHEN 'last_name' = any(p.edited_fields) THEN p.last_name ELSE coalesce(new.last_name, p.last_name) END,
       avatar_url = coalesce(new.avatar_url, p.avatar_url),
       locale = coalesce(new.locale, p.locale),
       time_zone = coalesce(new.time_zone, p.time_zone),
       birth_date = coalesce(new.birth_date, p.birth_date),
       customer_since = coalesce(new.customer_since, p.customer_since),
       lifecycle = CASE WHEN p.lifecycle = 'ANONYMOUS' AND new.is_known THEN 'PROSPECT' ELSE p.lifecycle END,
       version = p.version + 1,
       updated_at = clock_timestamp()
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::timestamptz[], $10::boolean[])
       AS new (profile_id, first_name, last_name, avatar_url, locale, time_zone, birth_date, customer_since, is_known)
 WHERE p.workspace_id = $1 AND p.id = new.profile_id

-- name: lock_profiles
-- In the order of ids, so that two batches that touch the same profiles wait instead of deadlocking.
SELECT id, status FROM profile WHERE workspace_id = $1 AND id = any($2::uuid[]) ORDER BY id FOR NO KEY UPDATE

-- name: profiles_with_identifier
SELECT DISTINCT profile_id FROM identifier WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND type = $3
