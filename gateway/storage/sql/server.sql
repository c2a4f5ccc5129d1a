-- The server itself: which one it is, how it stands, and whether we talk to it directly.

-- name: server_incarnation
-- Changes on failover and on restore: a position in a log from before is void then. Readable by every role.
-- The timeline is that of the log being written: the control file learns of a promotion with the next checkpoint, which may take minutes.
SELECT c.system_identifier,
       CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer END AS timeline
  FROM pg_control_system() AS c

-- name: server_remember
-- As the function `incarnation` has it, which an empty database has not yet. A session on a primary outlives neither a failover nor a restore, so
-- this holds for as long as it lasts; reading the control file anew costs more than reading a profile.
SELECT set_config('gateway.incarnation', encode(
           int8send(s.system_identifier) || int8send(greatest(c.timeline_id, r.min_recovery_end_timeline)::bigint), 'hex'), false)
  FROM pg_control_system() AS s, pg_control_checkpoint() AS c, pg_control_recovery() AS r

-- name: server_standing
-- As this session has it: a role or a database may have settings of its own. The second column names what may lose commits in a crash.
SELECT current_setting('transaction_read_only') = 'off' AS writable,
       array_remove(ARRAY[
           CASE current_setting('fsync') WHEN 'off' THEN 'fsync' END,
           CASE current_setting('synchronous_commit') WHEN 'off' THEN 'synchronous_commit' END,
           CASE current_setting('full_page_writes') WHEN 'off' THEN 'full_page_writes' END], NULL) AS risks

-- name: server_session
-- Who serves this transaction, and whether what we asked for at the start of the session holds.
SELECT pg_backend_pid() AS pid,
       current_setting('statement_timeout') AS statement_timeout,
       current_setting('lock_timeout') AS lock_timeout,
       current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction_session_timeout
