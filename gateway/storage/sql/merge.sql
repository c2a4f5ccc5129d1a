-- Statements of a merge take $2 the profiles, the survivor first, and $3 the merge; those of its undoing $2 the merge and $3 the survivor.
-- `keep_…` takes rows that collide out of the tables and into the journal, `move_…` gives the rest to the survivor, `return_…` gives it back
-- and `restore_…` puts back what was kept.

-- name: surviving_profiles
-- For ids that were merged away: the profile that each came to in the end.
WITH RECURSIVE way AS (
    SELECT id AS asked, merged_into AS at, 1 AS hops
      FROM profile
     WHERE workspace_id = $1 AND id = any($2::uuid[]) AND status = 'MERGED'
     UNION ALL
    SELECT w.asked, p.merged_into, w.hops + 1
      FROM way w
      JOIN profile p ON p.workspace_id = $1 AND p.id = w.at
     WHERE p.status = 'MERGED' AND w.hops < 25
)
SELECT w.asked, p.id, p.version, p.status, p.lifecycle, p.first_name, p.middle_name, p.last_name, p.avatar_url, p.locale, p.time_zone,
       p.birth_date, p.customer_since, p.created_at, p.updated_at, incarnated(h.epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch, h.head, p.merged_into
  FROM way w
  JOIN profile p ON p.workspace_id = $1 AND p.id = w.at AND p.status <> 'MERGED'
  JOIN stream_head h ON h.workspace_id = p.workspace_id AND h.stream_id = p.id

-- name: hold_profiles
-- Keeps profiles from being merged away until this transaction ends, and says which were already.
SELECT id, status FROM profile WHERE workspace_id = $1 AND id = any($2::uuid[]) ORDER BY id FOR KEY SHARE

-- name: lock_for_merge
-- Conflicts with everybody who holds or changes one of the profiles; in the order of ids.
SELECT id, status, merged_into, to_jsonb(p) AS columns FROM profile p WHERE workspace_id = $1 AND id = any($2::uuid[]) ORDER BY id FOR UPDATE

-- name: profiles_in_privacy
SELECT DISTINCT profile_id FROM privacy_job
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND action <> 'EXPORT' AND state IN ('QUEUED', 'RUNNING')

-- name: trait_keys_of
SELECT DISTINCT profile_id, key FROM trait WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND key = any($3::text[])

-- name: insert_merge
INSERT INTO merge (workspace_id, id, survivor_id, merged_ids, actor_id, actor_name, actor_kind, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: journal_columns
INSERT INTO merge_journal (workspace_id, profile_id, merge_id, kind, kept) VALUES ($1, $2, $3, 'columns', $4)

-- name: journaled_columns
SELECT kept FROM merge_journal WHERE workspace_id = $1 AND profile_id = $2 AND merge_id = $3 AND kind = 'columns'

-- name: write_merged_columns
-- The survivor's row as $3 has it; the version counts on.
UPDATE profile p
   SET lifecycle = r.lifecycle, first_name = r.first_name, middle_name = r.middle_name, last_name = r.last_name, avatar_url = r.avatar_url,
       locale = r.locale, time_zone = r.time_zone, birth_date = r.birth_date, customer_since = r.customer_since,
       edited_fields = r.edited_fields, version = p.version + 1, updated_at = clock_timestamp()
  FROM jsonb_populate_record(NULL::profile, $3) r
 WHERE p.workspace_id = $1 AND p.id = $2

-- name: mark_merged
UPDATE profile SET status = 'MERGED', merged_into = ($2::uuid[])[1], version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND id = any(($2::uuid[])[2:])

-- name: mark_unmerged
UPDATE profile SET status = 'ACTIVE', merged_into = NULL, version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND id = any($2::uuid[])

-- name: lock_merge
-- With the newest later merge into the same survivor that still stands: it has to be undone first.
SELECT m.id, m.survivor_id, m.merged_ids, m.undone_at,
       (SELECT l.id FROM merge l
         WHERE l.workspace_id = m.workspace_id AND l.survivor_id = m.survivor_id AND l.undone_at IS NULL AND l.at > m.at
         ORDER BY l.at DESC LIMIT 1) AS later
  FROM merge m
 WHERE m.workspace_id = $1 AND m.id = $2
   FOR UPDATE OF m

-- name: mark_undone
UPDATE merge SET undone_at = clock_timestamp() WHERE workspace_id = $1 AND id = $2

-- name: take_lookups
-- Takes these values from the merged profiles.
DELETE FROM lookup l
 USING unnest($3::text[], $4::text[]) AS given (key, value)
 WHERE l.workspace_id = $1 AND l.profile_id = any($2::uuid[]) AND l.key = given.key AND l.value = given.value
RETURNING l.key, l.value, l.exclusive

-- name: note_primary
-- Which points were primary, and which company was the main one, before the merge.
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, profile_id, kind, array_agg(id)
  FROM (SELECT profile_id, 'primary' AS kind, id FROM contact_point WHERE workspace_id = $1 AND profile_id = any(($2::uuid[])[2:]) AND is_primary
         UNION ALL
        SELECT profile_id, 'main', company_id FROM membership WHERE workspace_id = $1 AND profile_id = any(($2::uuid[])[2:]) AND is_main) AS was
 GROUP BY profile_id, kind

-- name: keep_contact_points
WITH ranked AS (
    SELECT t.profile_id, t.id, row_number() OVER (PARTITION BY t.channel, coalesce(t.custom_channel, ''), t.normalized ORDER BY p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN contact_point t ON t.workspace_id = $1 AND t.profile_id = p.id
), gone AS (
    DELETE FROM contact_point t USING ranked r
     WHERE r.nth > 1 AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.id = r.id
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'contact_point', jsonb_agg(to_jsonb(gone) || '{"is_primary": false}') FROM gone GROUP BY profile_id

-- name: move_contact_points
-- A channel that has a primary already keeps it: of several, the survivor's, then the first profile's.
WITH channels AS (
    SELECT t.id, row_number() OVER (PARTITION BY t.channel, coalesce(t.custom_channel, '') ORDER BY p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN contact_point t ON t.workspace_id = $1 AND t.profile_id = p.id AND t.is_primary
), moved AS (
    UPDATE contact_point t
       SET profile_id = ($2::uuid[])[1], is_primary = t.is_primary AND EXISTS (SELECT FROM channels c WHERE c.id = t.id AND c.nth = 1)
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'contact_point', array_agg(id) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET moved = excluded.moved
RETURNING kind

-- name: return_contact_points
UPDATE contact_point t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'contact_point' AND t.workspace_id = $1 AND t.profile_id = $3 AND t.id = m.id

-- name: restore_contact_points
INSERT INTO contact_point
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::contact_point, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'contact_point'
    ON CONFLICT DO NOTHING

-- name: restore_primaries
-- What was primary before is so again, unless something else has become it.
UPDATE contact_point t SET is_primary = true
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'primary'
   AND t.workspace_id = $1 AND t.profile_id = j.profile_id AND t.id = m.id AND NOT t.is_primary
   AND NOT EXISTS (SELECT FROM contact_point o
                    WHERE o.workspace_id = $1 AND o.profile_id = t.profile_id AND o.channel = t.channel
                      AND o.custom_channel IS NOT DISTINCT FROM t.custom_channel AND o.is_primary)

-- name: move_identifiers
WITH moved AS (
    UPDATE identifier t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'identifier', array_agg(id) FROM moved GROUP BY owner
RETURNING kind

-- name: return_identifiers
UPDATE identifier t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'identifier' AND t.workspace_id = $1 AND t.profile_id = $3 AND t.id = m.id

-- name: keep_traits
-- Of a key and source that several have, the first profile's stays; of a key ($4) with a chosen winner ($5), only the winner's.
WITH chosen AS (
    SELECT * FROM unnest($4::text[], $5::uuid[]) AS given (key, winner)
), ranked AS (
    SELECT t.profile_id, t.key, t.source, c.winner IS DISTINCT FROM t.profile_id AND c.winner IS NOT NULL AS lost,
           row_number() OVER (PARTITION BY t.key, t.source ORDER BY p.n) AS nth, c.winner
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN trait t ON t.workspace_id = $1 AND t.profile_id = p.id
      LEFT JOIN chosen c ON c.key = t.key
), gone AS (
    DELETE FROM trait t USING ranked r
     WHERE (r.lost OR (r.winner IS NULL AND r.nth > 1))
       AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.key = r.key AND t.source = r.source
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'trait', jsonb_agg(to_jsonb(gone)) FROM gone GROUP BY profile_id
RETURNING kind

-- name: move_traits
WITH moved AS (
    UPDATE trait t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.key, t.source
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, keys)
SELECT $1, $3, owner, 'trait', jsonb_agg(jsonb_build_array(key, source)) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET keys = excluded.keys
RETURNING kind

-- name: return_traits
UPDATE trait t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL jsonb_array_elements(j.keys) AS k (key)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'trait'
   AND t.workspace_id = $1 AND t.profile_id = $3 AND t.key = k.key ->> 0 AND t.source = k.key ->> 1

-- name: restore_traits
-- The survivor's too: a chosen winner had taken their place. A JSON null would come back as no value at all.
INSERT INTO trait (workspace_id, profile_id, key, source, value, kind, category, confidence, computed_from, model, observed_at, expires_at,
                   actor_id, actor_name, actor_kind, sealed)
SELECT r.workspace_id, r.profile_id, r.key, r.source, coalesce(r.value, 'null'), r.kind, r.category, r.confidence, r.computed_from, r.model,
       r.observed_at, r.expires_at, r.actor_id, r.actor_name, r.actor_kind, r.sealed
  FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::trait, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'trait'
    ON CONFLICT DO NOTHING

-- name: move_notes
WITH moved AS (
    UPDATE note t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'note', array_agg(id) FROM moved GROUP BY owner
RETURNING kind

-- name: return_notes
UPDATE note t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'note' AND t.workspace_id = $1 AND t.profile_id = $3 AND t.id = m.id

-- name: keep_memberships
WITH ranked AS (
    SELECT t.profile_id, t.company_id, row_number() OVER (PARTITION BY t.company_id ORDER BY p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN membership t ON t.workspace_id = $1 AND t.profile_id = p.id
), gone AS (
    DELETE FROM membership t USING ranked r
     WHERE r.nth > 1 AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.company_id = r.company_id
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'membership', jsonb_agg(to_jsonb(gone) || '{"is_main": false}') FROM gone GROUP BY profile_id

-- name: move_memberships
-- The main company of the survivor stays the main one; without any, that of the first profile that has one.
WITH mains AS (
    SELECT t.profile_id, row_number() OVER (ORDER BY p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN membership t ON t.workspace_id = $1 AND t.profile_id = p.id AND t.is_main
), moved AS (
    UPDATE membership t
       SET profile_id = ($2::uuid[])[1], is_main = t.is_main AND EXISTS (SELECT FROM mains c WHERE c.profile_id = m.owner AND c.nth = 1)
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.company_id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'membership', array_agg(company_id) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET moved = excluded.moved
RETURNING kind

-- name: return_memberships
UPDATE membership t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'membership' AND t.workspace_id = $1 AND t.profile_id = $3 AND t.company_id = m.id

-- name: restore_memberships
INSERT INTO membership
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::membership, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'membership'
    ON CONFLICT DO NOTHING

-- name: restore_mains
UPDATE membership t SET is_main = true
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'main'
   AND t.workspace_id = $1 AND t.profile_id = j.profile_id AND t.company_id = m.id AND NOT t.is_main
   AND NOT EXISTS (SELECT FROM membership o WHERE o.workspace_id = $1 AND o.profile_id = t.profile_id AND o.is_main)

-- name: promote_memberships
-- Profiles with companies but no main one take the longest-standing.
UPDATE membership t SET is_main = true
  FROM unnest($2::uuid[]) AS p (id)
 WHERE t.workspace_id = $1 AND t.profile_id = p.id
   AND t.company_id = (SELECT o.company_id FROM membership o WHERE o.workspace_id = $1 AND o.profile_id = p.id ORDER BY o.since, o.company_id LIMIT 1)
   AND NOT EXISTS (SELECT FROM membership o WHERE o.workspace_id = $1 AND o.profile_id = p.id AND o.is_main)

-- name: move_activities
WITH moved AS (
    UPDATE activity t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'activity', array_agg(id) FROM moved GROUP BY owner
RETURNING kind

-- name: return_activities
UPDATE activity t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'activity' AND t.workspace_id = $1 AND t.profile_id = $3 AND t.id = m.id

-- name: move_changes
-- The trigger of the audit lets this through while gateway.redacting is on.
WITH moved AS (
    UPDATE change t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'change', array_agg(id) FROM moved GROUP BY owner
RETURNING kind

-- name: return_changes
UPDATE change t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'change' AND t.workspace_id = $1 AND t.profile_id = $3 AND t.id = m.id

-- name: keep_consents
-- The person's last word counts, whoever's profile it is on; of two at the same moment, the one that is no yes.
WITH ranked AS (
    SELECT t.profile_id, t.purpose, t.channel,
           row_number() OVER (PARTITION BY t.purpose, t.channel ORDER BY t.updated_at DESC, t.status = 'GRANTED', p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN consent t ON t.workspace_id = $1 AND t.profile_id = p.id
), gone AS (
    DELETE FROM consent t USING ranked r
     WHERE r.nth > 1 AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.purpose = r.purpose AND t.channel = r.channel
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'consent', jsonb_agg(to_jsonb(gone)) FROM gone GROUP BY profile_id

-- name: move_consents
WITH moved AS (
    UPDATE consent t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.purpose, t.channel
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, keys)
SELECT $1, $3, owner, 'consent', jsonb_agg(jsonb_build_array(purpose, channel)) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET keys = excluded.keys
RETURNING kind

-- name: return_consents
UPDATE consent t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL jsonb_array_elements(j.keys) AS k (key)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'consent'
   AND t.workspace_id = $1 AND t.profile_id = $3 AND t.purpose = k.key ->> 0 AND t.channel = k.key ->> 1

-- name: restore_consents
INSERT INTO consent
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::consent, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'consent'
    ON CONFLICT DO NOTHING

-- name: keep_segments
-- Who is in an audience by one profile is in it.
WITH ranked AS (
    SELECT t.profile_id, t.key, row_number() OVER (PARTITION BY t.key ORDER BY t.left_at IS NOT NULL, p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN segment_membership t ON t.workspace_id = $1 AND t.profile_id = p.id
), gone AS (
    DELETE FROM segment_membership t USING ranked r
     WHERE r.nth > 1 AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.key = r.key
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'segment_membership', jsonb_agg(to_jsonb(gone)) FROM gone GROUP BY profile_id

-- name: move_segments
WITH moved AS (
    UPDATE segment_membership t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.key
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, keys)
SELECT $1, $3, owner, 'segment_membership', jsonb_agg(jsonb_build_array(key)) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET keys = excluded.keys
RETURNING kind

-- name: return_segments
UPDATE segment_membership t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL jsonb_array_elements(j.keys) AS k (key)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'segment_membership'
   AND t.workspace_id = $1 AND t.profile_id = $3 AND t.key = k.key ->> 0

-- name: restore_segments
INSERT INTO segment_membership
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::segment_membership, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'segment_membership'
    ON CONFLICT DO NOTHING

-- name: keep_interests
-- The stronger one stays.
WITH ranked AS (
    SELECT t.profile_id, t.topic, t.source, row_number() OVER (PARTITION BY t.topic, t.source ORDER BY t.score DESC, p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN interest t ON t.workspace_id = $1 AND t.profile_id = p.id
), gone AS (
    DELETE FROM interest t USING ranked r
     WHERE r.nth > 1 AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.topic = r.topic AND t.source = r.source
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'interest', jsonb_agg(to_jsonb(gone)) FROM gone GROUP BY profile_id

-- name: move_interests
WITH moved AS (
    UPDATE interest t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.topic, t.source
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, keys)
SELECT $1, $3, owner, 'interest', jsonb_agg(jsonb_build_array(topic, source)) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET keys = excluded.keys
RETURNING kind

-- name: return_interests
UPDATE interest t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL jsonb_array_elements(j.keys) AS k (key)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'interest'
   AND t.workspace_id = $1 AND t.profile_id = $3 AND t.topic = k.key ->> 0 AND t.source = k.key ->> 1

-- name: restore_interests
INSERT INTO interest
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::interest, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'interest'
    ON CONFLICT DO NOTHING

-- name: move_contacts
WITH moved AS (
    UPDATE contact t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.id, t.agent_id, t.state
), journaled AS (
    INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
    SELECT $1, $3, owner, 'contact', array_agg(id) FROM moved GROUP BY owner
)
SELECT 'contact' AS kind, id, CASE WHEN state <> 'CLOSED' THEN agent_id END AS agent_id FROM moved

-- name: return_contacts
UPDATE contact t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'contact' AND t.workspace_id = $1 AND t.profile_id = $3 AND t.id = m.id
RETURNING t.id, CASE WHEN t.state <> 'CLOSED' THEN t.agent_id END AS agent_id

-- name: move_associations
WITH moved AS (
    UPDATE contact_association t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'contact_association', array_agg(id) FROM moved GROUP BY owner
RETURNING kind

-- name: return_associations
UPDATE contact_association t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'contact_association'
   AND t.workspace_id = $1 AND t.profile_id = $3 AND t.id = m.id

-- name: keep_candidates
-- Of several candidates of one contact the best stays.
WITH ranked AS (
    SELECT t.profile_id, t.contact_id, row_number() OVER (PARTITION BY t.contact_id ORDER BY t.score DESC, p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN contact_candidate t ON t.workspace_id = $1 AND t.profile_id = p.id
), gone AS (
    DELETE FROM contact_candidate t USING ranked r
     WHERE r.nth > 1 AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.contact_id = r.contact_id
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'contact_candidate', jsonb_agg(to_jsonb(gone)) FROM gone GROUP BY profile_id

-- name: move_candidates
WITH moved AS (
    UPDATE contact_candidate t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.contact_id
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
SELECT $1, $3, owner, 'contact_candidate', array_agg(contact_id) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET moved = excluded.moved
RETURNING kind

-- name: return_candidates
UPDATE contact_candidate t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'contact_candidate'
   AND t.workspace_id = $1 AND t.profile_id = $3 AND t.contact_id = m.id

-- name: restore_candidates
INSERT INTO contact_candidate
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::contact_candidate, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'contact_candidate'
    ON CONFLICT DO NOTHING

-- name: settle_matches
-- Open contacts that had several candidates and, since the merge, have one.
WITH settled AS (
    UPDATE contact t SET match = 'ONE'
     WHERE t.workspace_id = $1 AND t.state <> 'CLOSED' AND t.match = 'MULTIPLE'
       AND t.id IN (SELECT c.contact_id FROM contact_candidate c WHERE c.workspace_id = $1 AND c.profile_id = ($2::uuid[])[1])
       AND (SELECT count(*) FROM contact_candidate c WHERE c.workspace_id = $1 AND c.contact_id = t.id) = 1
    RETURNING t.id, t.agent_id
), journaled AS (
    INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, moved)
    SELECT $1, $3, ($2::uuid[])[1], 'match', array_agg(id) FROM settled HAVING count(*) > 0
)
SELECT id, agent_id FROM settled

-- name: unsettle_matches
UPDATE contact t SET match = 'MULTIPLE'
  FROM merge_journal j CROSS JOIN LATERAL unnest(j.moved) AS m (id)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'match' AND t.workspace_id = $1 AND t.id = m.id AND t.match = 'ONE'
   AND (SELECT count(*) FROM contact_candidate c WHERE c.workspace_id = $1 AND c.contact_id = t.id) > 1
RETURNING t.id, CASE WHEN t.state <> 'CLOSED' THEN t.agent_id END AS agent_id

-- name: keep_verifications
WITH ranked AS (
    SELECT t.profile_id, t.scope, row_number() OVER (PARTITION BY t.scope ORDER BY t.misses DESC, p.n) AS nth
      FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)
      JOIN verification t ON t.workspace_id = $1 AND t.profile_id = p.id
), gone AS (
    DELETE FROM verification t USING ranked r
     WHERE r.nth > 1 AND t.workspace_id = $1 AND t.profile_id = r.profile_id AND t.scope = r.scope
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, profile_id, 'verification', jsonb_agg(to_jsonb(gone)) FROM gone GROUP BY profile_id

-- name: move_verifications
-- Whoever guessed wrongly about one of the profiles did so about the person.
WITH moved AS (
    UPDATE verification t SET profile_id = ($2::uuid[])[1]
      FROM unnest(($2::uuid[])[2:]) AS m (owner)
     WHERE t.workspace_id = $1 AND t.profile_id = m.owner
    RETURNING m.owner, t.scope
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, keys)
SELECT $1, $3, owner, 'verification', jsonb_agg(jsonb_build_array(scope)) FROM moved GROUP BY owner
    ON CONFLICT (workspace_id, merge_id, profile_id, kind) DO UPDATE SET keys = excluded.keys
RETURNING kind

-- name: return_verifications
UPDATE verification t SET profile_id = j.profile_id
  FROM merge_journal j CROSS JOIN LATERAL jsonb_array_elements(j.keys) AS k (key)
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'verification'
   AND t.workspace_id = $1 AND t.profile_id = $3 AND t.scope = k.key ->> 0

-- name: restore_verifications
INSERT INTO verification
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::verification, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'verification'
    ON CONFLICT DO NOTHING

-- name: take_proposals
-- Every proposal of the merged profiles goes into the journal and out of the table; `move_proposals` puts those with others back.
WITH gone AS (
    DELETE FROM merge_proposal t
     WHERE t.workspace_id = $1 AND (t.first_id = any(($2::uuid[])[2:]) OR t.second_id = any(($2::uuid[])[2:]))
    RETURNING t.*
)
INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept)
SELECT $1, $3, ($2::uuid[])[1], 'merge_proposal', jsonb_agg(to_jsonb(gone)) FROM gone HAVING count(*) > 0
RETURNING kind

-- name: move_proposals
-- What was dismissed for one of the profiles stays dismissed for the survivor, and the best of several counts. Returns the others.
WITH others AS (
    SELECT r.*, CASE WHEN r.first_id = any($2::uuid[]) THEN r.second_id ELSE r.first_id END AS other
      FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::merge_proposal, j.kept) AS r
     WHERE j.workspace_id = $1 AND j.merge_id = $3 AND j.kind = 'merge_proposal'
       AND NOT (r.first_id = any($2::uuid[]) AND r.second_id = any($2::uuid[]))
), best AS (
    SELECT DISTINCT ON (other) * FROM others ORDER BY other, dismissed_at NULLS LAST, score DESC, id
)
INSERT INTO merge_proposal (workspace_id, id, first_id, second_id, rule, score, created_at, dismissed_at, dismissed_by, reason)
SELECT $1, id, least(other, ($2::uuid[])[1]), greatest(other, ($2::uuid[])[1]), rule, score, created_at, dismissed_at, dismissed_by, reason
  FROM best
    ON CONFLICT DO NOTHING
RETURNING CASE WHEN first_id = ($2::uuid[])[1] THEN second_id ELSE first_id END AS other

-- name: restore_proposals
-- As they were, except that one dismissed meanwhile is.
INSERT INTO merge_proposal AS p
SELECT r.* FROM merge_journal j CROSS JOIN LATERAL jsonb_populate_recordset(NULL::merge_proposal, j.kept) AS r
 WHERE j.workspace_id = $1 AND j.merge_id = $2 AND j.kind = 'merge_proposal'
    ON CONFLICT (workspace_id, id) DO UPDATE SET first_id = excluded.first_id, second_id = excluded.second_id
RETURNING first_id, second_id

-- name: propose_by_contact_values
-- Pairs of living profiles that share an e-mail or a phone with one of $2. $3 rules that are on; $4 the most profiles a value may have;
-- $5 values that say nothing; $6 identifier types on which two different people differ.
WITH shared AS MATERIALIZED ( -- once: a planner without statistics would compute it again per profile
    SELECT DISTINCT mine.profile_id, o.profile_id AS other, mine.key
      FROM (SELECT DISTINCT profile_id, CASE channel WHEN 'EMAIL' THEN 'email' ELSE 'phone' END AS key, normalized
              FROM contact_point
             WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND channel IN ('EMAIL', 'VOICE', 'SMS', 'WHATSAPP')
               AND NOT lower(normalized) = any($5::text[])) AS mine
     CROSS JOIN LATERAL (
           SELECT array_agg(l.profile_id) AS owners
             FROM (SELECT profile_id FROM lookup
                    WHERE workspace_id = $1 AND key = mine.key AND value = mine.normalized
                    ORDER BY profile_id -- the order of the key: also without statistics nobody reads the whole table
                    LIMIT $4::int + 1) AS l) AS found
     CROSS JOIN LATERAL unnest(found.owners) AS o (profile_id)
     WHERE cardinality(found.owners) <= $4 AND o.profile_id <> mine.profile_id
), ruled AS (
    SELECT least(s.profile_id, s.other) AS first_id, greatest(s.profile_id, s.other) AS second_id,
           CASE WHEN s.key = 'email' THEN 'email'
                WHEN lower(btrim(a.last_name)) = lower(btrim(b.last_name)) AND 'phone_and_name' = any($3::text[]) THEN 'phone_and_name'
                ELSE 'phone' END AS rule
      FROM shared s
      JOIN profile a ON a.workspace_id = $1 AND a.id = s.profile_id AND a.status = 'ACTIVE'
      JOIN profile b ON b.workspace_id = $1 AND b.id = s.other AND b.status = 'ACTIVE'
), best AS (
    SELECT DISTINCT ON (first_id, second_id) first_id, second_id, rule,
           CASE rule WHEN 'phone' THEN 0.5 ELSE 0.8 END::float8 AS score
      FROM ruled
     WHERE rule = any($3::text[])
     ORDER BY first_id, second_id, score DESC, rule
)
INSERT INTO merge_proposal (workspace_id, id, first_id, second_id, rule, score)
SELECT $1, gen_random_uuid(), first_id, second_id, rule,
       score * CASE WHEN EXISTS (SELECT FROM identifier x JOIN identifier y ON y.workspace_id = $1 AND y.profile_id = second_id AND y.type = x.type
                                  WHERE x.workspace_id = $1 AND x.profile_id = first_id AND x.type = any($6::text[])) THEN 0.5 ELSE 1 END
  FROM best
 ORDER BY first_id, second_id
    ON CONFLICT DO NOTHING
RETURNING first_id, second_id

-- name: propose_pairs
-- Pairs that a sender said to be one person; those that are not living, or one profile by now, are left out.
INSERT INTO merge_proposal (workspace_id, id, first_id, second_id, rule, score)
SELECT $1::uuid, gen_random_uuid(), least(a.id, b.id), greatest(a.id, b.id), $4,
       $5::float8 * CASE WHEN EXISTS (SELECT FROM identifier x JOIN identifier y ON y.workspace_id = $1 AND y.profile_id = b.id AND y.type = x.type
                                       WHERE x.workspace_id = $1 AND x.profile_id = a.id AND x.type = any($6::text[])) THEN 0.5 ELSE 1 END
  FROM unnest($2::uuid[], $3::uuid[]) AS given (one, other)
  JOIN profile a ON a.workspace_id = $1 AND a.id = given.one AND a.status = 'ACTIVE'
  JOIN profile b ON b.workspace_id = $1 AND b.id = given.other AND b.status = 'ACTIVE'
 WHERE a.id <> b.id
 ORDER BY 3, 4
    ON CONFLICT DO NOTHING
RETURNING first_id, second_id

-- name: dismiss_proposal
UPDATE merge_proposal SET dismissed_at = clock_timestamp(), dismissed_by = $3, reason = $4
 WHERE workspace_id = $1 AND id = $2 AND dismissed_at IS NULL
RETURNING first_id, second_id

-- name: merges_by_id
SELECT m.id, m.survivor_id, m.merged_ids, m.actor_id, m.actor_name, m.actor_kind, m.at, m.undone_at, m.reason,
       m.undone_at IS NULL AND p.status = 'ACTIVE'
       AND NOT EXISTS (SELECT FROM merge l
                        WHERE l.workspace_id = m.workspace_id AND l.survivor_id = m.survivor_id AND l.undone_at IS NULL AND l.at > m.at) AS can_undo
  FROM merge m
  JOIN profile p ON p.workspace_id = m.workspace_id AND p.id = m.survivor_id
 WHERE m.workspace_id = $1 AND m.id = any($2::uuid[])

-- name: proposals_by_profile
-- Open proposals between living profiles, the likeliest first; 50 of one profile at most.
SELECT p.id AS profile_id, o.id, o.first_id, o.second_id, o.rule, o.score, o.created_at
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT t.*
         FROM (SELECT * FROM merge_proposal f WHERE f.workspace_id = $1 AND f.first_id = p.id
                UNION ALL
               SELECT * FROM merge_proposal s WHERE s.workspace_id = $1 AND s.second_id = p.id) AS t
         JOIN profile other ON other.workspace_id = $1 AND other.id = CASE WHEN t.first_id = p.id THEN t.second_id ELSE t.first_id END
        WHERE t.dismissed_at IS NULL AND other.status = 'ACTIVE'
        ORDER BY t.score DESC, t.created_at, t.id
        LIMIT 50) AS o
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[]) AND p.status = 'ACTIVE'
 ORDER BY p.id, o.score DESC, o.created_at, o.id

-- name: proposals_by_id
SELECT t.id, t.first_id, t.second_id, t.rule, t.score, t.created_at
  FROM merge_proposal t
  JOIN profile a ON a.workspace_id = t.workspace_id AND a.id = t.first_id AND a.status = 'ACTIVE'
  JOIN profile b ON b.workspace_id = t.workspace_id AND b.id = t.second_id AND b.status = 'ACTIVE'
 WHERE t.workspace_id = $1 AND t.id = any($2::uuid[]) AND t.dismissed_at IS NULL

-- name: merge_columns
SELECT id, status, merged_into, to_jsonb(p) AS columns FROM profile p WHERE workspace_id = $1 AND id = any($2::uuid[])

-- name: merge_counts
-- What would move, per kind; a timeline is counted to a million.
SELECT 'Contact points' AS kind, count(*) FROM contact_point WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Identifiers', count(*) FROM identifier WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Traits', count(*) FROM trait WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Companies', count(*) FROM membership WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Notes', count(*) FROM note WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Activities', count(*) FROM (SELECT FROM activity WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) LIMIT 1000000) AS counted
 UNION ALL
SELECT 'Consents', count(*) FROM consent WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Segments', count(*) FROM segment_membership WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND left_at IS NULL
 UNION ALL
SELECT 'Interests', count(*) FROM interest WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Contacts', count(*) FROM contact WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'Open contacts', count(*) FROM contact WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND state <> 'CLOSED'
 UNION ALL
SELECT 'Changes', count(*) FROM change WHERE workspace_id = $1 AND profile_id = any($2::uuid[])

-- name: differing_identifiers
-- Types that more than one of the profiles has: a value has one owner, so theirs differ.
SELECT type, count(DISTINCT profile_id) AS owners
  FROM identifier
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND type = any($3::text[])
 GROUP BY type
HAVING count(DISTINCT profile_id) > 1
 ORDER BY type

-- name: forget_journal
-- An undone merge needs no journal, and its rows may hold what is erased later.
DELETE FROM merge_journal WHERE workspace_id = $1 AND merge_id = $2
