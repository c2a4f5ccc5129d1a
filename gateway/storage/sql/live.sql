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
