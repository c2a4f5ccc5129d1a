-- name: append_changes
-- The last statement of a business transaction. Heads are locked in the order of their streams; the locks are held to commit, so for one
-- stream the order of seq is the order of commits, and a rolled-back transaction leaves no hole.
WITH given AS (
    SELECT * FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::boolean[], $7::text[], $8::text[]) WITH ORDINALITY
        AS change (stream_id, kind, entity_id, entity_source, is_new, fields, actor, n)
), heads AS (
    INSERT INTO stream_head AS s (workspace_id, stream_id, head)
    SELECT $1, stream_id, count(*) FROM given GROUP BY stream_id ORDER BY stream_id
        ON CONFLICT (workspace_id, stream_id) DO UPDATE SET head = s.head + excluded.head
    RETURNING stream_id, epoch, head
), numbered AS (
    SELECT g.*, h.head - count(*) OVER (PARTITION BY g.stream_id) + row_number() OVER (PARTITION BY g.stream_id ORDER BY g.n) AS seq
      FROM given g JOIN heads h USING (stream_id)
), logged AS (
    INSERT INTO change_log (workspace_id, stream_id, seq, kind, entity_id, entity_source, is_new, fields, actor)
    SELECT $1, stream_id, seq, kind, entity_id, entity_source, is_new, string_to_array(fields, ','), actor FROM numbered
)
SELECT stream_id, epoch, head FROM heads

-- name: stream_heads
SELECT s.workspace_id, s.stream_id, s.epoch, s.head, s.low
  FROM unnest($1::uuid[], $2::uuid[]) AS wanted (workspace_id, stream_id)
  JOIN stream_head s USING (workspace_id, stream_id)

-- name: read_changes
SELECT seq, kind, at, actor, fields, entity_id, entity_source, is_new
  FROM change_log
 WHERE workspace_id = $1 AND stream_id = $2 AND seq > $3
 ORDER BY seq
 LIMIT $4

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
