-- name: read_feed
-- The changes of a workspace behind ($2, $3, $4), $5 of them at most, below the oldest transaction that still writes: any row that becomes
-- visible later has a larger xid. The audit of a profile that was merged away lies with its survivor. Desks and sources (kinds 6 and 7) are
-- nobody's profile. Always at least one row, for where the feed stands.
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
      SELECT l.xid::text::bigint AS xid, l.stream_id, l.seq, l.kind, l.at, l.actor, l.fields, c.id AS change_id, c.at AS change_at, c.action,
             c.actor_id, c.actor_name, c.actor_kind, c.fields AS change_fields, c.reason
        FROM (SELECT * FROM change_log
               WHERE workspace_id = $1 AND (xid, stream_id, seq) > ($2::text::xid8, $3, $4) AND xid < s.horizon AND kind <= 5
               ORDER BY xid, stream_id, seq
               LIMIT $5) l
        LEFT JOIN LATERAL (SELECT merged_into FROM profile WHERE workspace_id = $1 AND id = l.stream_id LIMIT 1) p ON true
        LEFT JOIN LATERAL (
            SELECT * FROM change
             WHERE workspace_id = $1 AND profile_id = any(ARRAY[l.stream_id, p.merged_into]) AND id = l.entity_id AND l.entity_source = 'native'
             LIMIT 1
        ) c ON true
       ORDER BY l.xid, l.stream_id, l.seq
  ) e ON true
 ORDER BY e.xid, e.stream_id, e.seq
