-- name: upkeep_turn
-- One process at a time looks after what is old; the others need not.
SELECT pg_try_advisory_xact_lock(hashtext('profile-gateway upkeep')) AS ours

-- name: take_time
SELECT set_config('statement_timeout', '50000', true)

-- name: all_workspaces
SELECT id AS workspace_id, key FROM workspace ORDER BY id

-- name: retire_activities
SELECT retire_activities($1) AS months

-- name: expire_activities
-- One portion ($4) of a workspace's activities of some kinds that happened before a moment.
WITH gone AS (
    SELECT profile_id, occurred_at, source, id
      FROM activity
     WHERE workspace_id = $1 AND kind = any($2::text[]) AND occurred_at < $3
     LIMIT $4
), deleted AS (
    DELETE FROM activity a
     USING gone g
     WHERE a.workspace_id = $1 AND a.profile_id = g.profile_id AND a.occurred_at = g.occurred_at AND a.source = g.source AND a.id = g.id
    RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: expire_notes
WITH gone AS (
    SELECT profile_id, id FROM note WHERE workspace_id = $1 AND created_at < $2 LIMIT $3
), deleted AS (
    DELETE FROM note n USING gone g WHERE n.workspace_id = $1 AND n.profile_id = g.profile_id AND n.id = g.id RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: expire_changes
-- Of the audit only values go, never a row.
WITH old AS (
    SELECT profile_id, id
      FROM change
     WHERE workspace_id = $1 AND at < $2
       AND (reason IS NOT NULL OR fields @? '$[*] ? (@.before.type() != "null" || @.after.type() != "null")')
     LIMIT $3
), redacted AS (
    UPDATE change c
       SET reason = NULL,
           fields = coalesce((SELECT jsonb_agg(f || '{"before": null, "after": null}' ORDER BY n)
                                FROM jsonb_array_elements(c.fields) WITH ORDINALITY AS one (f, n)), '[]')
      FROM old o
     WHERE c.workspace_id = $1 AND c.profile_id = o.profile_id AND c.id = o.id
    RETURNING 1
)
SELECT count(*) AS n FROM redacted

-- name: expire_idempotency
WITH deleted AS (
    DELETE FROM idempotency WHERE ctid = any(ARRAY(SELECT ctid FROM idempotency WHERE at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: expire_messages
WITH deleted AS (
    DELETE FROM ingest_message WHERE ctid = any(ARRAY(SELECT ctid FROM ingest_message WHERE received_at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: expire_files
WITH deleted AS (
    DELETE FROM privacy_file WHERE ctid = any(ARRAY(SELECT ctid FROM privacy_file WHERE expires_at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: expire_presence
WITH deleted AS (
    DELETE FROM presence WHERE ctid = any(ARRAY(SELECT ctid FROM presence WHERE expires_at < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) AS n FROM deleted
