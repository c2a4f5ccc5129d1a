-- name: activities_ascending
-- A page of each profile's timeline between two places, oldest first. The plain bounds on occurred_at let Postgres skip partitions; the row
-- comparisons are exact.
SELECT a.*
  FROM profile p
 CROSS JOIN LATERAL (
       SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail
         FROM activity
        WHERE workspace_id = p.workspace_id AND profile_id = p.id
          AND occurred_at >= $3 AND (occurred_at, source, id) > ($3, $4, $5::uuid)
          AND occurred_at <= $6 AND (occurred_at, source, id) < ($6, $7, $8::uuid)
          AND (NOT $10 OR kind = 'EXTERNAL' OR (kind = 'INTERACTION' AND (direction = 'INBOUND' OR channel = 'VOICE')))
          AND ($11::text[] IS NULL OR kind = any($11::text[]))
          AND ($12::text[] IS NULL OR channel = any($12::text[]))
          AND ($13::text[] IS NULL OR direction = any($13::text[]))
          AND ($14::text[] IS NULL OR type = any($14::text[]))
          AND ($15::text[] IS NULL OR account = any($15::text[]))
        ORDER BY occurred_at, source, id
        LIMIT $9) a
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
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
          AND (NOT $10 OR kind = 'EXTERNAL' OR (kind = 'INTERACTION' AND (direction = 'INBOUND' OR channel = 'VOICE')))
          AND ($11::text[] IS NULL OR kind = any($11::text[]))
          AND ($12::text[] IS NULL OR channel = any($12::text[]))
          AND ($13::text[] IS NULL OR direction = any($13::text[]))
          AND ($14::text[] IS NULL OR type = any($14::text[]))
          AND ($15::text[] IS NULL OR account = any($15::text[]))
        ORDER BY occurred_at DESC, source DESC, id DESC
        LIMIT $9) a
 WHERE p.workspace_id = $1 AND p.id = any($2::uuid[])
 ORDER BY a.profile_id, a.occurred_at DESC, a.source DESC, a.id DESC

-- name: activities_by_id
-- An id is a UUIDv7 of the moment it happened: the span finds the one partition.
SELECT a.profile_id, a.occurred_at, a.source, a.id, a.kind, a.type, a.channel, a.direction, a.account, a.detail
  FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[]) AS wanted (profile_id, id, since, until)
  JOIN activity a ON a.workspace_id = $1 AND a.profile_id = wanted.profile_id AND a.id = wanted.id
                 AND a.occurred_at >= wanted.since AND a.occurred_at < wanted.until

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
