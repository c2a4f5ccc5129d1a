-- name: live_contacts_by_id
SELECT c.id, c.version, c.external_id, c.state, c.channel, c.custom_channel, c.address, c.normalized, c.display_name, c.direction,
       c.agent_id, c.agent_name, c.queue, c.match, c.profile_id, c.parent_id, c.attributes, c.handoff_context, c.search_key, c.summary,
       c.wrap_up, c.unlink_reason, c.interaction_id, c.offered_at, c.accepted_at, c.wrap_up_at, c.closed_at
  FROM contact c
 WHERE c.workspace_id = $1 AND c.id = any($2::uuid[])

-- name: lock_contact
SELECT c.id, c.version, c.external_id, c.state, c.channel, c.custom_channel, c.address, c.normalized, c.display_name, c.direction,
       c.agent_id, c.agent_name, c.queue, c.match, c.profile_id, c.parent_id, c.attributes, c.handoff_context, c.search_key, c.summary,
       c.wrap_up, c.unlink_reason, c.interaction_id, c.offered_at, c.accepted_at, c.wrap_up_at, c.closed_at
  FROM contact c
 WHERE c.workspace_id = $1 AND c.id = $2
   FOR UPDATE

-- name: contact_by_external_id
SELECT id FROM contact WHERE workspace_id = $1 AND external_id = $2

-- name: contacts_by_agent
-- An agent's open contacts in these states, newest first.
SELECT c.*
  FROM unnest($2::text[]) AS desk (agent_id)
 CROSS JOIN LATERAL (
       SELECT id, version, external_id, state, channel, custom_channel, address, normalized, display_name, direction,
              agent_id, agent_name, queue, match, profile_id, parent_id, attributes, handoff_context, search_key, summary,
              wrap_up, unlink_reason, interaction_id, offered_at, accepted_at, wrap_up_at, closed_at
         FROM contact
        WHERE workspace_id = $1 AND agent_id = desk.agent_id AND state <> 'CLOSED' AND state = any($3::text[])
        ORDER BY id DESC
        LIMIT $4) c
 ORDER BY c.agent_id, c.id DESC

-- name: contacts_by_agent_with_closed
-- The same where closed ones are wanted too.
SELECT c.*
  FROM unnest($2::text[]) AS desk (agent_id)
 CROSS JOIN LATERAL (
       SELECT id, version, external_id, state, channel, custom_channel, address, normalized, display_name, direction,
              agent_id, agent_name, queue, match, profile_id, parent_id, attributes, handoff_context, search_key, summary,
              wrap_up, unlink_reason, interaction_id, offered_at, accepted_at, wrap_up_at, closed_at
         FROM contact
        WHERE workspace_id = $1 AND agent_id = desk.agent_id AND state = any($3::text[])
        ORDER BY id DESC
        LIMIT $4) c
 ORDER BY c.agent_id, c.id DESC

-- name: live_contacts_by_profile
-- A page of each profile's contacts, newest first, below the id $3; $4 only open (or only closed) ones, $5 only this agent's.
SELECT c.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT id, version, external_id, state, channel, custom_channel, address, normalized, display_name, direction,
              agent_id, agent_name, queue, match, profile_id, parent_id, attributes, handoff_context, search_key, summary,
              wrap_up, unlink_reason, interaction_id, offered_at, accepted_at, wrap_up_at, closed_at
         FROM contact
        WHERE workspace_id = p.workspace_id AND profile_id = p.id AND id < $3
          AND ($4::boolean IS NULL OR (state <> 'CLOSED') = $4) AND ($5::text IS NULL OR agent_id = $5)
        ORDER BY id DESC
        LIMIT $6) c
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY c.profile_id, c.id DESC

-- name: contacts_page
-- Newest first, below the id $2. Ids are in the order of time, so $3 and $4 bound the span of the index as $5 and $6 bound the moment.
SELECT c.id, c.version, c.external_id, c.state, c.channel, c.custom_channel, c.address, c.normalized, c.display_name, c.direction,
       c.agent_id, c.agent_name, c.queue, c.match, c.profile_id, c.parent_id, c.attributes, c.handoff_context, c.search_key, c.summary,
       c.wrap_up, c.unlink_reason, c.interaction_id, c.offered_at, c.accepted_at, c.wrap_up_at, c.closed_at
  FROM contact c
 WHERE c.workspace_id = $1 AND c.id < $2 AND c.id >= $3 AND c.id <= $4
   AND ($5::timestamptz IS NULL OR c.offered_at >= $5) AND ($6::timestamptz IS NULL OR c.offered_at < $6)
   AND ($7::text[] IS NULL OR c.agent_id = any($7::text[]))
   AND ($8::text[] IS NULL OR c.queue = any($8::text[]))
   AND ($9::text[] IS NULL OR c.channel = any($9::text[]))
   AND ($10::text[] IS NULL OR c.state = any($10::text[]))
   AND ($11::uuid IS NULL OR c.profile_id = $11)
 ORDER BY c.id DESC
 LIMIT $12

-- name: insert_contact
-- No row when the workspace knows the external id already.
INSERT INTO contact (workspace_id, id, external_id, channel, custom_channel, address, normalized, display_name, direction, agent_id, agent_name,
                     queue, match, profile_id, parent_id, attributes, handoff_context, search_key, opened_by, offered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'SEARCHING', NULL, $13, $14, $15, $16, $17, $18)
    ON CONFLICT (workspace_id, external_id) DO NOTHING
RETURNING id

-- name: update_contact
UPDATE contact
   SET state = $3, agent_id = $4, agent_name = $5, queue = $6, match = $7, profile_id = $8, attributes = $9, summary = $10, wrap_up = $11,
       unlink_reason = $12, interaction_id = $13, accepted_at = $14, wrap_up_at = $15, closed_at = $16, version = version + 1
 WHERE workspace_id = $1 AND id = $2

-- name: candidates_by_contact
-- The best first.
SELECT contact_id, profile_id, score, matched_on
  FROM contact_candidate
 WHERE workspace_id = $1 AND contact_id = any($2::uuid[])
 ORDER BY contact_id, score DESC, profile_id

-- name: delete_candidates
DELETE FROM contact_candidate WHERE workspace_id = $1 AND contact_id = $2

-- name: insert_candidates
INSERT INTO contact_candidate (workspace_id, contact_id, profile_id, score, matched_on)
SELECT $1, $2, profile_id, score, matched_on FROM unnest($3::uuid[], $4::double precision[], $5::jsonb[]) AS new (profile_id, score, matched_on)

-- name: associations_by_contact
-- Newest first.
SELECT contact_id, profile_id, actor_id, actor_name, actor_kind, at, automatic, verified_keys, superseded_at
  FROM contact_association
 WHERE workspace_id = $1 AND contact_id = any($2::uuid[])
 ORDER BY contact_id, id DESC

-- name: supersede_association
UPDATE contact_association SET superseded_at = clock_timestamp() WHERE workspace_id = $1 AND contact_id = $2 AND superseded_at IS NULL

-- name: insert_association
INSERT INTO contact_association (workspace_id, contact_id, id, profile_id, actor_id, actor_name, actor_kind, automatic, verified_keys)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: active_profiles_by_lookup
-- For each value the living profiles that have it, up to $4 of them.
SELECT q.n, l.profile_id
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS q (key, value, n)
 CROSS JOIN LATERAL (
       SELECT l.profile_id
         FROM lookup l
         JOIN profile p ON p.workspace_id = l.workspace_id AND p.id = l.profile_id AND p.status = 'ACTIVE'
        WHERE l.workspace_id = $1 AND l.key = q.key AND l.value = q.value
        ORDER BY l.profile_id
        LIMIT $4) l
 ORDER BY q.n, l.profile_id

-- name: active_profiles
SELECT id FROM profile WHERE workspace_id = $1 AND id = any($2::uuid[]) AND status = 'ACTIVE' ORDER BY id

-- name: living_profile
-- The profile itself, or the living one it was merged into.
WITH RECURSIVE way AS (
    SELECT id, status, merged_into FROM profile WHERE workspace_id = $1 AND id = $2
     UNION ALL
    SELECT p.id, p.status, p.merged_into FROM way w JOIN profile p ON p.workspace_id = $1 AND p.id = w.merged_into WHERE w.status = 'MERGED'
)
SELECT id FROM way WHERE status = 'ACTIVE'

-- name: granted_profiles
-- Profiles that an agent may read for the sake of an open contact: its candidates and its association.
SELECT wanted.id
  FROM unnest($3::uuid[]) AS wanted (id)
 WHERE EXISTS (
       SELECT FROM contact c
        WHERE c.workspace_id = $1 AND c.agent_id = $2 AND c.state <> 'CLOSED'
          AND (c.profile_id = wanted.id
               OR EXISTS (SELECT FROM contact_candidate k
                           WHERE k.workspace_id = $1 AND k.contact_id = c.id AND k.profile_id = wanted.id)))

-- name: begin_stream
-- Where a stream stands; it begins now when it has not yet. Reads first: a stream that is there is not written to. No row when somebody else
-- begins it at the same moment: ask again.
WITH present AS (SELECT epoch, head FROM stream_head WHERE workspace_id = $1 AND stream_id = $2),
     made AS (INSERT INTO stream_head (workspace_id, stream_id) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM present)
                  ON CONFLICT DO NOTHING RETURNING epoch, head)
SELECT incarnated(epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch, head FROM (SELECT * FROM present UNION ALL SELECT * FROM made) AS s

-- name: lock_values
-- Whoever would make a profile for one of these values waits for whoever is making one: two calls of a stranger make one profile.
SELECT pg_advisory_xact_lock(hashtextextended(w.workspace_id::text || ' ' || given.value, 0))
  FROM (SELECT $1::uuid AS workspace_id) AS w
 CROSS JOIN (SELECT DISTINCT value FROM unnest($2::text[]) AS v (value) ORDER BY value) AS given
