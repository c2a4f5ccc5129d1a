-- name: activities_ascending
-- A page of each profile's timeline between two places, oldest first. The plain bounds on occurred_at let Postgres skip partitions; the row
-- comparisons are exact. $10: DEFAULT chooses among interactions; $11: kinds that can be shown at all; $18: attributes that an interaction
-- must have; $19: a pattern for LIKE; $20: the only types of external activities; $21, $22: kinds, and since when each is kept.
-- The last condition holds for every id. Postgres does not know that, takes any batch for one of a row, and so keeps its plan instead of making
-- a new one for each call: with a table of some thirty months planning takes four times as long as reading (docs/decisions/0014).
SELECT a.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
         FROM activity
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND occurred_at >= $3 AND (occurred_at, source, id) > ($3, $4, $5::uuid)
          AND occurred_at <= $6 AND (occurred_at, source, id) < ($6, $7, $8::uuid)
          AND kind = any($11::text[])
          AND (NOT $10 OR kind <> 'INTERACTION' OR direction = 'INBOUND' OR channel = 'VOICE')
          AND ($20::text[] IS NULL OR kind <> 'EXTERNAL' OR type = any($20::text[]))
          AND ($12::text[] IS NULL OR channel = any($12::text[]))
          AND ($13::text[] IS NULL OR direction = any($13::text[]))
          AND ($14::text[] IS NULL OR type = any($14::text[]))
          AND ($15::text[] IS NULL OR account = any($15::text[]))
          AND ($16::text[] IS NULL OR detail -> 'agent' ->> 'id' = any($16::text[]))
          AND ($17::text[] IS NULL OR detail ->> 'queue' = any($17::text[]))
          AND ($18::jsonb IS NULL OR detail -> 'attributes' @> $18::jsonb)
          AND coalesce(occurred_at >= ($22::timestamptz[])[array_position($21::text[], kind)], true)
          AND ($19::text IS NULL OR lower(type) LIKE $19 OR EXISTS (
              SELECT FROM jsonb_path_query(
                     CASE kind
                     WHEN 'INTERACTION' THEN jsonb_build_array(
                          detail -> 'summary', detail -> 'outcome', detail -> 'queue', detail -> 'attributes', detail #> '{wrapUp,notes}',
                          detail #> '{wrapUp,topic}', detail #> '{wrapUp,dispositionCode}', detail #> '{agent,name}')
                     WHEN 'MESSAGE' THEN jsonb_build_array(detail -> 'text', detail -> 'author')
                     WHEN 'INTEREST' THEN jsonb_build_array(detail -> 'topic', detail -> 'category')
                     ELSE detail END, 'strict $.**') AS said (value)
               WHERE jsonb_typeof(value) IN ('string', 'number') AND lower(value #>> '{}') LIKE $19))
        ORDER BY occurred_at, source, id
        LIMIT $9) a
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
   AND p.id BETWEEN least(($2::uuid[])[1], '00000000-0000-0000-0000-000000000000') AND greatest(($2::uuid[])[1], 'ffffffff-ffff-ffff-ffff-ffffffffffff')
 ORDER BY a.profile_id, a.occurred_at, a.source, a.id

-- name: activities_descending
SELECT a.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
         FROM activity
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND occurred_at >= $3 AND (occurred_at, source, id) > ($3, $4, $5::uuid)
          AND occurred_at <= $6 AND (occurred_at, source, id) < ($6, $7, $8::uuid)
          AND kind = any($11::text[])
          AND (NOT $10 OR kind <> 'INTERACTION' OR direction = 'INBOUND' OR channel = 'VOICE')
          AND ($20::text[] IS NULL OR kind <> 'EXTERNAL' OR type = any($20::text[]))
          AND ($12::text[] IS NULL OR channel = any($12::text[]))
          AND ($13::text[] IS NULL OR direction = any($13::text[]))
          AND ($14::text[] IS NULL OR type = any($14::text[]))
          AND ($15::text[] IS NULL OR account = any($15::text[]))
          AND ($16::text[] IS NULL OR detail -> 'agent' ->> 'id' = any($16::text[]))
          AND ($17::text[] IS NULL OR detail ->> 'queue' = any($17::text[]))
          AND ($18::jsonb IS NULL OR detail -> 'attributes' @> $18::jsonb)
          AND coalesce(occurred_at >= ($22::timestamptz[])[array_position($21::text[], kind)], true)
          AND ($19::text IS NULL OR lower(type) LIKE $19 OR EXISTS (
              SELECT FROM jsonb_path_query(
                     CASE kind
                     WHEN 'INTERACTION' THEN jsonb_build_array(
                          detail -> 'summary', detail -> 'outcome', detail -> 'queue', detail -> 'attributes', detail #> '{wrapUp,notes}',
                          detail #> '{wrapUp,topic}', detail #> '{wrapUp,dispositionCode}', detail #> '{agent,name}')
                     WHEN 'MESSAGE' THEN jsonb_build_array(detail -> 'text', detail -> 'author')
                     WHEN 'INTEREST' THEN jsonb_build_array(detail -> 'topic', detail -> 'category')
                     ELSE detail END, 'strict $.**') AS said (value)
               WHERE jsonb_typeof(value) IN ('string', 'number') AND lower(value #>> '{}') LIKE $19))
        ORDER BY occurred_at DESC, source DESC, id DESC
        LIMIT $9) a
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
   AND p.id BETWEEN least(($2::uuid[])[1], '00000000-0000-0000-0000-000000000000') AND greatest(($2::uuid[])[1], 'ffffffff-ffff-ffff-ffff-ffffffffffff')
 ORDER BY a.profile_id, a.occurred_at DESC, a.source DESC, a.id DESC

-- name: plain_activities_ascending
-- As above for whoever chooses by kind alone ($11), as every screen does at first: each condition is made ready for each month there is, also
-- where it asks for nothing. $12: the only types of external activities.
SELECT a.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
         FROM activity
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND occurred_at >= $3 AND (occurred_at, source, id) > ($3, $4, $5::uuid)
          AND occurred_at <= $6 AND (occurred_at, source, id) < ($6, $7, $8::uuid)
          AND kind = any($11::text[])
          AND (NOT $10 OR kind <> 'INTERACTION' OR direction = 'INBOUND' OR channel = 'VOICE')
          AND ($12::text[] IS NULL OR kind <> 'EXTERNAL' OR type = any($12::text[]))
        ORDER BY occurred_at, source, id
        LIMIT $9) a
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
   AND p.id BETWEEN least(($2::uuid[])[1], '00000000-0000-0000-0000-000000000000') AND greatest(($2::uuid[])[1], 'ffffffff-ffff-ffff-ffff-ffffffffffff')
 ORDER BY a.profile_id, a.occurred_at, a.source, a.id

-- name: plain_activities_descending
SELECT a.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
         FROM activity
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND occurred_at >= $3 AND (occurred_at, source, id) > ($3, $4, $5::uuid)
          AND occurred_at <= $6 AND (occurred_at, source, id) < ($6, $7, $8::uuid)
          AND kind = any($11::text[])
          AND (NOT $10 OR kind <> 'INTERACTION' OR direction = 'INBOUND' OR channel = 'VOICE')
          AND ($12::text[] IS NULL OR kind <> 'EXTERNAL' OR type = any($12::text[]))
        ORDER BY occurred_at DESC, source DESC, id DESC
        LIMIT $9) a
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
   AND p.id BETWEEN least(($2::uuid[])[1], '00000000-0000-0000-0000-000000000000') AND greatest(($2::uuid[])[1], 'ffffffff-ffff-ffff-ffff-ffffffffffff')
 ORDER BY a.profile_id, a.occurred_at DESC, a.source DESC, a.id DESC

-- name: activities_by_id
-- An id is a UUIDv7 of the moment it happened: the span finds the one partition.
SELECT a.profile_id, a.occurred_at, a.source, a.id, a.kind, a.type, a.channel, a.direction, a.account, a.detail
  FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[]) AS wanted (profile_id, id, since, until)
  JOIN activity a ON a.workspace_id = $1 AND a.profile_id = wanted.profile_id AND a.id = wanted.id
                 AND a.occurred_at >= wanted.since AND a.occurred_at < wanted.until

-- name: messages_by_conversation
-- A page of each conversation's messages behind a place, oldest first: those that name the interaction itself ($3) or the conversation it is
-- known by ($4). The span keeps partitions out in which none can be.
SELECT w.n, m.*
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
       WITH ORDINALITY AS w (profile_id, interaction, conversation, since, until, n)
 CROSS JOIN LATERAL (
       SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
         FROM activity
        WHERE workspace_id = $1 AND profile_id = w.profile_id AND kind = 'MESSAGE'
          AND coalesce(detail ->> 'conversation', detail ->> 'interaction') = any(ARRAY[w.interaction, w.conversation])
          AND occurred_at >= greatest(w.since, $7) AND occurred_at <= w.until
          AND (occurred_at, source, id) > ($7, $8, $9::uuid)
        ORDER BY occurred_at, source, id
        LIMIT $10) m
 ORDER BY w.n, m.occurred_at, m.source, m.id

-- name: interactions_by_conversation
-- The interaction of each conversation that a message of this moment belongs to: the last one that had begun, else the next one to begin.
SELECT w.n, i.*
  FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
       WITH ORDINALITY AS w (profile_id, conversation, at, since, until, n)
 CROSS JOIN LATERAL (
       SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
         FROM activity
        WHERE workspace_id = $1 AND profile_id = w.profile_id AND kind = 'INTERACTION'
          AND coalesce(detail ->> 'conversation', detail ->> 'interaction') = w.conversation
          AND occurred_at >= w.since AND occurred_at <= w.until
        ORDER BY occurred_at > w.at, abs(extract(epoch FROM occurred_at - w.at)), source, id
        LIMIT 1) i

-- name: insert_activities
INSERT INTO activity (workspace_id, profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail)
SELECT $1, profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
  FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[])
       AS new (profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail)

-- name: claim_messages
-- In order, so that two senders repeating the same messages wait for each other instead of deadlocking.
INSERT INTO ingest_message (workspace_id, source, message_id)
SELECT $1, $2, message_id FROM unnest($3::text[]) AS new (message_id) ORDER BY message_id
    ON CONFLICT DO NOTHING
RETURNING message_id
