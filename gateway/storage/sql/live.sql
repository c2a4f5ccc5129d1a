-- name: append_changes
-- The last statement of a business transaction. Heads are locked in the order of their streams; the locks are held to commit, so for one
-- stream the order of seq is the order of commits, and a rolled-back transaction leaves no hole.
WITH given AS (
    SELECT * FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::boolean[], $7::text[], $8::text[], $9::text[]) WITH ORDINALITY
        AS change (stream_id, kind, entity_id, entity_source, is_new, fields, actor, entity_key, n)
), heads AS (
    INSERT INTO stream_head AS s (workspace_id, stream_id, head)
    SELECT $1, stream_id, count(*) FROM given GROUP BY stream_id ORDER BY stream_id
        ON CONFLICT (workspace_id, stream_id) DO UPDATE SET head = s.head + excluded.head
    RETURNING stream_id, epoch, head
), numbered AS (
    SELECT g.*, h.head - count(*) OVER (PARTITION BY g.stream_id) + row_number() OVER (PARTITION BY g.stream_id ORDER BY g.n) AS seq
      FROM given g JOIN heads h USING (stream_id)
), logged AS (
    INSERT INTO change_log (workspace_id, stream_id, seq, kind, entity_id, entity_source, is_new, fields, actor, entity_key)
    SELECT $1, stream_id, seq, kind, entity_id, entity_source, is_new, string_to_array(fields, ','), actor, entity_key FROM numbered
)
SELECT stream_id, incarnated(epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch, head FROM heads

-- name: stream_heads
SELECT s.workspace_id, s.stream_id, incarnated(s.epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch, s.head, s.low
  FROM unnest($1::uuid[], $2::uuid[]) AS wanted (workspace_id, stream_id)
  JOIN stream_head s USING (workspace_id, stream_id)

-- name: read_changes
-- Where a stream stands, and what stands behind $3, $4 entries at most, both as of one moment and of one server. One row without an entry
-- where there is nothing behind it (or $3 is null), none where there is no such stream.
SELECT incarnated(s.epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch, s.head, s.low,
       l.seq, l.kind, l.at, l.actor, l.fields, l.entity_id, l.entity_source, l.is_new, l.entity_key
  FROM stream_head s
  LEFT JOIN LATERAL (
       SELECT * FROM change_log
        WHERE workspace_id = $1 AND stream_id = $2 AND seq > $3
        ORDER BY seq
        LIMIT $4) AS l ON true
 WHERE s.workspace_id = $1 AND s.stream_id = $2
 ORDER BY l.seq

-- name: read_changes_of_streams
-- The same for several streams, each with its own $3 and $4, as of one moment. `n`: which of them, from 1.
SELECT w.n, incarnated(s.epoch, (SELECT coalesce(decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex'), incarnation()))) AS epoch, s.head, s.low,
       l.seq, l.kind, l.at, l.actor, l.fields, l.entity_id, l.entity_source, l.is_new, l.entity_key
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[]) WITH ORDINALITY AS w (workspace_id, stream_id, after, most, n)
  JOIN stream_head s ON s.workspace_id = w.workspace_id AND s.stream_id = w.stream_id
  LEFT JOIN LATERAL (
       SELECT * FROM change_log
        WHERE workspace_id = w.workspace_id AND stream_id = w.stream_id AND seq > w.after
        ORDER BY seq
        LIMIT w.most) AS l ON true
 ORDER BY w.n, l.seq

-- name: profile_standing
-- How the profile behind a stream stands: ACTIVE, MERGED into another, or ERASED (then nothing may be left of it); whether the log still tells
-- of that behind $3; and the merge that took it away.
SELECT coalesce(p.status, 'ERASED') AS status, p.merged_into,
       EXISTS (SELECT FROM change_log l
                WHERE l.workspace_id = $1 AND l.stream_id = $2 AND l.seq > $3
                  AND l.kind = CASE p.status WHEN 'MERGED' THEN 4 ELSE 5 END) AS is_told,
       (SELECT m.id FROM merge m
         WHERE m.workspace_id = $1 AND m.survivor_id = p.merged_into AND $2 = any(m.merged_ids) AND m.undone_at IS NULL
         ORDER BY m.at DESC LIMIT 1) AS merge_id
  FROM stream_head s
  LEFT JOIN profile p ON p.workspace_id = s.workspace_id AND p.id = s.stream_id
 WHERE s.workspace_id = $1 AND s.stream_id = $2

-- name: change_days_before
-- Days of the change log that ended $1 days ago, the oldest first.
SELECT day
  FROM (SELECT to_date(substr(c.relname, 12), 'YYYY_MM_DD') AS day
          FROM pg_inherits i
          JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'change_log'::regclass AND c.relname ~ '^change_log_\d{4}_\d\d_\d\d$') AS d
 WHERE day + 1 <= (clock_timestamp() AT TIME ZONE 'UTC')::date - $1::integer
 ORDER BY day

-- name: change_log_turn
-- One process at a time retires changes.
SELECT pg_try_advisory_xact_lock(hashtext('profile-gateway change log')) AS ours

-- name: lower_streams
-- Tells $4 streams at most with entries of the day $1, those behind ($2, $3), that these are about to go; and the feeds of their workspaces. Who is
-- being written to is passed over: its writer would wait for us, or we for it. `workspace_id` and `stream_id`: how far it came.
WITH found AS MATERIALIZED (
    SELECT workspace_id, stream_id, max(seq) AS seq, max(xid::text::bigint) FILTER (WHERE kind <= 5) AS xid
      FROM change_log
     WHERE at >= $1::date::timestamp AT TIME ZONE 'UTC' AND at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
       AND (workspace_id, stream_id) > ($2, $3)
     GROUP BY workspace_id, stream_id
     ORDER BY workspace_id, stream_id
     LIMIT $4
), behind AS MATERIALIZED (
    SELECT f.workspace_id, f.stream_id, f.seq
      FROM found f
      JOIN stream_head s USING (workspace_id, stream_id)
     WHERE s.low < f.seq
), taken AS MATERIALIZED (
    SELECT s.workspace_id, s.stream_id, b.seq
      FROM behind b
      JOIN stream_head s USING (workspace_id, stream_id)
       FOR NO KEY UPDATE OF s SKIP LOCKED
), lowered AS (
    UPDATE stream_head s
       SET low = greatest(s.low, t.seq)
      FROM taken t
     WHERE s.workspace_id = t.workspace_id AND s.stream_id = t.stream_id
    RETURNING s.stream_id
), feeds AS (
    INSERT INTO feed_low AS f (workspace_id, xid)
    SELECT workspace_id, max(xid)::text::xid8 FROM found WHERE xid IS NOT NULL GROUP BY workspace_id ORDER BY workspace_id
        ON CONFLICT (workspace_id) DO UPDATE SET xid = greatest(f.xid, excluded.xid)
)
SELECT (SELECT count(*) FROM found) AS seen,
       (SELECT count(*) FROM behind) - (SELECT count(*) FROM lowered) AS passed_over,
       (SELECT workspace_id FROM found ORDER BY workspace_id DESC, stream_id DESC LIMIT 1) AS workspace_id,
       (SELECT stream_id FROM found ORDER BY workspace_id DESC, stream_id DESC LIMIT 1) AS stream_id

-- name: retire_changes
SELECT retire_changes($1) AS dropped

-- name: feed_held_up
-- The oldest transaction of this server that still writes: its number (null: there is none), for how many seconds (null: it began out of our
-- role's sight), and whether it is a prepared one which nobody ended. The feeds of all workspaces wait for it.
SELECT CASE WHEN pg_snapshot_xmin(s.now) < pg_snapshot_xmax(s.now) THEN pg_snapshot_xmin(s.now)::text::bigint END AS xid,
       greatest(extract(epoch FROM clock_timestamp() - least(r.running, r.prepared)), 0)::float8 AS seconds,
       r.prepared IS NOT NULL AND (r.running IS NULL OR r.prepared <= r.running) AS is_prepared
  FROM (SELECT pg_current_snapshot() AS now) AS s,
       (SELECT (SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()) AS running,
               (SELECT min(prepared) FROM pg_prepared_xacts) AS prepared) AS r
