-- Which history the numbers of a stream belong to. A failover that loses the last commits, or a restore, gives the same numbers out again: so every
-- statement that reads an epoch reads, on the same connection, which server answered (its cluster and timeline), and the two become one.
-- Readable by every role. The checkpoint's timeline alone is the old one for minutes after a promotion, until the next checkpoint.
CREATE FUNCTION incarnation() RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT int8send(s.system_identifier) || int8send(greatest(c.timeline_id, r.min_recovery_end_timeline)::bigint)
      FROM pg_control_system() AS s, pg_control_checkpoint() AS c, pg_control_recovery() AS r
$$;

CREATE FUNCTION incarnated(epoch uuid, incarnation bytea) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(substr(sha256(uuid_send(epoch) || incarnation), 1, 16), 'hex')::uuid
$$;

-- How far the workspace feed has been retired: changes of transactions up to this one may be gone.
CREATE TABLE feed_low (
    workspace_id uuid PRIMARY KEY,
    xid          xid8 NOT NULL
);

-- Drops one day of the change log, whose streams know it by then (`stream_head.low`). It takes the whole log for itself, so it waits for others
-- for a fifth of a second only, in which those who come wait for it, and is tried again later. Returns whether it dropped anything.
CREATE FUNCTION retire_changes(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    name text := 'change_log_' || to_char(day, 'YYYY_MM_DD');
BEGIN
    PERFORM set_config('lock_timeout', '200', true);
    IF to_regclass(name) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
END $$;
