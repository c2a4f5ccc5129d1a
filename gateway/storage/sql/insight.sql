-- name: interests_by_profile
-- A page of each profile's interests, strongest first. $3: only this category; $4 to $6: score, topic and source to go on behind.
SELECT i.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, topic, source, category, score, first_triggered_at, last_triggered_at, trigger_count
         FROM interest
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND ($3::text IS NULL OR category = $3)
          AND ($4::double precision IS NULL OR score < $4 OR (score = $4 AND (topic, source) > ($5::text, $6::text)))
        ORDER BY score DESC, topic, source
        LIMIT $7) i
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY i.profile_id, i.score DESC, i.topic, i.source

-- name: interests_by_key
SELECT i.profile_id, i.topic, i.source, i.category, i.score, i.scored_at, i.first_triggered_at, i.last_triggered_at, i.trigger_count
  FROM unnest($2::uuid[], $3::text[], $4::text[]) AS wanted (profile_id, topic, source)
  JOIN interest i ON i.workspace_id = $1 AND i.profile_id = wanted.profile_id AND i.topic = wanted.topic AND i.source = wanted.source

-- name: write_interests
-- Whole rows, made of what was there and what came under the profile's lock.
INSERT INTO interest (workspace_id, profile_id, topic, source, category, score, scored_at, first_triggered_at, last_triggered_at, trigger_count)
SELECT $1, profile_id, topic, source, category, score, scored_at, first_triggered_at, last_triggered_at, trigger_count
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::double precision[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
              $10::integer[])
       AS new (profile_id, topic, source, category, score, scored_at, first_triggered_at, last_triggered_at, trigger_count)
 ORDER BY profile_id, topic, source
    ON CONFLICT (workspace_id, profile_id, topic, source) DO UPDATE
   SET category = excluded.category, score = excluded.score, scored_at = excluded.scored_at,
       first_triggered_at = excluded.first_triggered_at, last_triggered_at = excluded.last_triggered_at,
       trigger_count = excluded.trigger_count

-- name: topic_categories
-- The category of each topic that the catalogue has.
SELECT topic, category FROM interest_topic WHERE workspace_id = $1 AND topic = any($2::text[])

-- name: interest_topics
-- A page of the catalogue. $2: a pattern of LIKE in any case; $3: only this category; $4: the topic to go on behind.
SELECT topic, category
  FROM interest_topic
 WHERE workspace_id = $1
   AND ($2::text IS NULL OR search_key LIKE lower($2))
   AND ($3::text IS NULL OR category = $3)
   AND ($4::text IS NULL OR topic > $4)
 ORDER BY topic
 LIMIT $5

-- name: add_interest_topics
-- What events bring: topics that are new, and a category for those that have none yet.
INSERT INTO interest_topic AS t (workspace_id, topic, category)
SELECT $1, topic, category FROM unnest($2::text[], $3::text[]) AS new (topic, category) ORDER BY topic
    ON CONFLICT (workspace_id, topic) DO UPDATE SET category = excluded.category WHERE t.category = 'Other' AND excluded.category <> 'Other'

-- name: import_interest_topics
-- Only rows that really change are written; is_new says which were not there.
INSERT INTO interest_topic AS t (workspace_id, topic, category)
SELECT $1, topic, category FROM unnest($2::text[], $3::text[]) AS new (topic, category) ORDER BY topic
    ON CONFLICT (workspace_id, topic) DO UPDATE SET category = excluded.category WHERE t.category <> excluded.category
RETURNING xmax = 0 AS is_new

-- name: consents_by_profile
SELECT c.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, purpose, channel, status, updated_at, expires_at, source, evidence
         FROM consent
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
        ORDER BY purpose, channel
        LIMIT $3) c
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY c.profile_id, c.purpose, c.channel

-- name: consents_by_key
SELECT c.profile_id, c.purpose, c.channel, c.status, c.updated_at, c.expires_at, c.source, c.evidence
  FROM unnest($2::uuid[], $3::text[], $4::text[]) AS wanted (profile_id, purpose, channel)
  JOIN consent c ON c.workspace_id = $1 AND c.profile_id = wanted.profile_id AND c.purpose = wanted.purpose AND c.channel = wanted.channel

-- name: count_consents
SELECT count(*) FROM consent WHERE workspace_id = $1 AND profile_id = $2

-- name: write_consents
INSERT INTO consent (workspace_id, profile_id, purpose, channel, status, updated_at, expires_at, source, evidence)
SELECT $1, profile_id, purpose, channel, status, updated_at, expires_at, source, evidence
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[])
       AS new (profile_id, purpose, channel, status, updated_at, expires_at, source, evidence)
 ORDER BY profile_id, purpose, channel
    ON CONFLICT (workspace_id, profile_id, purpose, channel) DO UPDATE
   SET status = excluded.status, updated_at = excluded.updated_at, expires_at = excluded.expires_at, source = excluded.source,
       evidence = excluded.evidence

-- name: segments_by_profile
SELECT s.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, key, name, entered_at
         FROM segment_membership
        WHERE workspace_id = p.workspace_id AND profile_id = p.id AND left_at IS NULL
        ORDER BY key
        LIMIT $3) s
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY s.profile_id, s.key

-- name: segments_by_key
SELECT s.profile_id, s.key, s.source, s.name, s.entered_at, s.left_at, s.updated_at
  FROM unnest($2::uuid[], $3::text[]) AS wanted (profile_id, key)
  JOIN segment_membership s ON s.workspace_id = $1 AND s.profile_id = wanted.profile_id AND s.key = wanted.key

-- name: write_segments
INSERT INTO segment_membership (workspace_id, profile_id, key, source, name, entered_at, left_at, updated_at)
SELECT $1, profile_id, key, source, name, entered_at, left_at, updated_at
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[])
       AS new (profile_id, key, source, name, entered_at, left_at, updated_at)
 ORDER BY profile_id, key
    ON CONFLICT (workspace_id, profile_id, key) DO UPDATE
   SET source = excluded.source, name = coalesce(excluded.name, segment_membership.name), entered_at = excluded.entered_at,
       left_at = excluded.left_at, updated_at = excluded.updated_at

-- name: describe_traits
-- What a source says about traits it has just sent; one that lost against a newer observation is not described.
UPDATE trait t
   SET kind = coalesce(new.kind, t.kind), category = coalesce(new.category, t.category), confidence = new.confidence, model = new.model,
       computed_from = new.computed_from, expires_at = new.expires_at
  FROM unnest($3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::double precision[], $9::text[], $10::text[],
              $11::timestamptz[])
       AS new (profile_id, key, observed_at, kind, category, confidence, model, computed_from, expires_at)
 WHERE t.workspace_id = $1 AND t.source = $2 AND t.profile_id = new.profile_id AND t.key = new.key AND t.observed_at = new.observed_at
