-- name: export_profiles
SELECT * FROM profile WHERE workspace_id = $1 AND id = any($2::uuid[]) ORDER BY id

-- name: export_contact_points
SELECT * FROM contact_point WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY profile_id, id

-- name: export_identifiers
SELECT * FROM identifier WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY profile_id, id

-- name: export_traits
SELECT * FROM trait WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY profile_id, key, source

-- name: export_notes
SELECT * FROM note WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY profile_id, id

-- name: export_memberships
SELECT m.*, c.name, c.domain
  FROM membership m
  JOIN company c ON c.workspace_id = m.workspace_id AND c.id = m.company_id
 WHERE m.workspace_id = $1 AND m.profile_id = any($2::uuid[])
 ORDER BY m.profile_id, m.since, m.company_id

-- name: export_consents
SELECT * FROM consent WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY profile_id, purpose, channel

-- name: export_segments
SELECT * FROM segment_membership WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY profile_id, key

-- name: export_interests
SELECT * FROM interest WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY profile_id, topic, source

-- name: export_contacts
SELECT * FROM contact WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY id

-- name: export_merges
SELECT * FROM merge WHERE workspace_id = $1 AND survivor_id = any($2::uuid[]) ORDER BY id

-- name: export_kept
-- What a merge could not move and keeps aside.
SELECT j.profile_id, j.merge_id, j.kind, j.kept
  FROM merge_journal j
 WHERE j.workspace_id = $1 AND j.profile_id = any($2::uuid[]) AND j.kept <> '[]'
 ORDER BY j.profile_id, j.merge_id, j.kind

-- name: export_changes
SELECT * FROM change WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) ORDER BY at, id

-- name: read_history
-- What happened to the workspace's timelines behind ($2, $3, $4), $5 entries at most: items that appeared, changed or went (kinds 2 and 3), and
-- persons who were merged or erased (4 and 5). The order and its end are those of `read_feed`. Always at least one row, for where it stands.
WITH standing AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot()) AS horizon, pg_snapshot_xmax(pg_current_snapshot()) AS next_xid, clock_timestamp() AS now,
           least((SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()),
                 (SELECT min(prepared) FROM pg_prepared_xacts)) AS writing_since,
           (SELECT min(to_date(substr(c.relname, 12), 'YYYY_MM_DD'))::timestamp AT TIME ZONE 'UTC'
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'change_log'::regclass AND c.relname ~ '^change_log_\d{4}_\d\d_\d\d$') AS oldest,
           (SELECT xid FROM feed_low WHERE workspace_id = $1) AS retired, incarnation() AS incarnation
)
SELECT s.horizon::text::bigint AS horizon, s.next_xid::text::bigint AS next_xid, s.now, s.writing_since, s.oldest,
       s.retired::text::bigint AS retired, s.incarnation, e.*
  FROM standing s
  LEFT JOIN LATERAL (
      SELECT l.xid::text::bigint AS xid, l.stream_id, l.seq, l.kind, l.at, l.entity_id, l.entity_source
        FROM change_log l
       WHERE l.workspace_id = $1 AND (l.xid, l.stream_id, l.seq) > ($2::text::xid8, $3, $4) AND l.xid < s.horizon AND l.kind BETWEEN 2 AND 5
       ORDER BY l.xid, l.stream_id, l.seq
       LIMIT $5
  ) e ON true
 ORDER BY e.xid, e.stream_id, e.seq

-- name: history_items
-- An id is a UUIDv7 of the moment it happened: the span finds the one partition.
SELECT a.profile_id, a.occurred_at, a.source, a.id, a.kind, a.type, a.channel, a.direction, a.account, a.detail, a.received_at
  FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[]) AS wanted (profile_id, id, since, until)
  JOIN activity a ON a.workspace_id = $1 AND a.profile_id = wanted.profile_id AND a.id = wanted.id
                 AND a.occurred_at >= wanted.since AND a.occurred_at < wanted.until
