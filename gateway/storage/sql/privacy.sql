-- name: person_behind
-- Where the profile was merged away, the survivor; whatever its status.
WITH RECURSIVE way AS (
    SELECT id, status, merged_into, 0 AS depth FROM profile WHERE workspace_id = $1 AND id = $2
     UNION ALL
    SELECT p.id, p.status, p.merged_into, w.depth + 1
      FROM way w
      JOIN profile p ON p.workspace_id = $1 AND p.id = w.merged_into
     WHERE w.status = 'MERGED' AND w.depth < 100
)
SELECT id, status FROM way ORDER BY depth DESC LIMIT 1

-- name: persons_of
-- The profile and every one that was ever merged into it.
WITH RECURSIVE person AS (
    SELECT id FROM profile WHERE workspace_id = $1 AND id = $2
     UNION
    SELECT p.id FROM person JOIN profile p ON p.workspace_id = $1 AND p.merged_into = person.id
)
SELECT id FROM person ORDER BY id

-- name: insert_privacy_job
INSERT INTO privacy_job (workspace_id, id, profile_id, action, actor_id, actor_name, actor_kind)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (workspace_id, profile_id, action) WHERE state IN ('QUEUED', 'RUNNING') DO NOTHING
RETURNING id

-- name: last_privacy_job
SELECT id, state FROM privacy_job WHERE workspace_id = $1 AND profile_id = $2 AND action = $3 ORDER BY id DESC LIMIT 1

-- name: next_privacy_job
-- The oldest open job that is due, is nobody's at the moment, and has no older one of the same profile before it.
SELECT j.workspace_id, w.key AS workspace_key, j.id, j.profile_id, j.action, j.state, j.step, j.place, j.counts, j.actor_id, j.actor_name,
       j.actor_kind, j.requested_at, j.finished_at, j.attempts
  FROM privacy_job j
  JOIN workspace w ON w.id = j.workspace_id
 WHERE j.state IN ('QUEUED', 'RUNNING') AND j.due_at <= clock_timestamp()
   AND NOT EXISTS (SELECT FROM privacy_job o
                    WHERE o.workspace_id = j.workspace_id AND o.profile_id = j.profile_id AND o.state IN ('QUEUED', 'RUNNING')
                      AND (o.requested_at, o.id) < (j.requested_at, j.id))
 ORDER BY j.requested_at, j.id
 LIMIT 1
   FOR UPDATE OF j SKIP LOCKED

-- name: seconds_to_next_privacy_job
-- 0: one is due, or somebody's; NULL: none is open. Those behind another of their profile are not next.
SELECT CASE WHEN min(due_at) IS NOT NULL THEN greatest(extract(epoch FROM min(due_at) - clock_timestamp()), 0)::float8 END AS seconds
  FROM privacy_job j
 WHERE j.state IN ('QUEUED', 'RUNNING')
   AND NOT EXISTS (SELECT FROM privacy_job o
                    WHERE o.workspace_id = j.workspace_id AND o.profile_id = j.profile_id AND o.state IN ('QUEUED', 'RUNNING')
                      AND (o.requested_at, o.id) < (j.requested_at, j.id))

-- name: take_privacy_job
-- The row's lock is the lease: it ends with the transaction of the step, however that ends.
SELECT j.workspace_id, w.key AS workspace_key, j.id, j.profile_id, j.action, j.state, j.step, j.place, j.counts, j.actor_id, j.actor_name,
       j.actor_kind, j.requested_at, j.finished_at, j.attempts
  FROM privacy_job j
  JOIN workspace w ON w.id = j.workspace_id
 WHERE j.workspace_id = $1 AND j.id = $2 AND j.state IN ('QUEUED', 'RUNNING') AND j.due_at <= clock_timestamp()
   FOR UPDATE OF j SKIP LOCKED

-- name: privacy_job_by_id
SELECT j.workspace_id, w.key AS workspace_key, j.id, j.profile_id, j.action, j.state, j.step, j.place, j.counts, j.actor_id, j.actor_name,
       j.actor_kind, j.requested_at, j.finished_at, j.attempts
  FROM privacy_job j
  JOIN workspace w ON w.id = j.workspace_id
 WHERE j.workspace_id = $1 AND j.id = $2

-- name: advance_privacy_job
UPDATE privacy_job
   SET state = $3, step = $4, place = $5, counts = $6, attempts = 0, problem = $7,
       due_at = clock_timestamp() + $8 * interval '1 second',
       finished_at = CASE WHEN $3 IN ('DONE', 'FAILED') THEN clock_timestamp() END
 WHERE workspace_id = $1 AND id = $2

-- name: privacy_step_failed
-- Twice as long between two attempts each time, five minutes at most.
UPDATE privacy_job
   SET attempts = attempts + 1, problem = $3,
       due_at = clock_timestamp() + least(power(2, attempts), 300) * interval '1 second',
       state = CASE WHEN attempts + 1 >= $4 THEN 'FAILED' ELSE 'RUNNING' END,
       finished_at = CASE WHEN attempts + 1 >= $4 THEN clock_timestamp() END
 WHERE workspace_id = $1 AND id = $2 AND state IN ('QUEUED', 'RUNNING')
RETURNING state

-- name: gateway_transactions
-- The transactions of gateways that are under way now, other than this one.
SELECT l.virtualtransaction
  FROM pg_locks l
  JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'virtualxid' AND l.granted AND a.datname = current_database() AND a.application_name = 'profile-gateway'
   AND a.pid <> pg_backend_pid() AND l.virtualtransaction = l.virtualxid

-- name: identity_values
-- What finds these profiles: contact points ('C') and identifiers ('I').
SELECT 'C' AS kind, id, channel AS type, custom_channel, normalized, NULL::bytea AS sealed
  FROM contact_point
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
 UNION ALL
SELECT 'I', id, type, NULL, normalized, sealed
  FROM identifier
 WHERE workspace_id = $1 AND profile_id = any($2::uuid[])

-- name: values_of_others
-- Which of these values somebody else has as well.
SELECT DISTINCT l.key, l.value
  FROM unnest($3::text[], $4::text[]) AS given (key, value)
  JOIN lookup l ON l.workspace_id = $1 AND l.key = given.key AND l.value = given.value
 WHERE NOT l.profile_id = any($2::uuid[])

-- name: release_all_lookups
DELETE FROM lookup l
 USING unnest($3::text[], $4::text[]) AS given (key, value)
 WHERE l.workspace_id = $1 AND l.profile_id = any($2::uuid[]) AND l.key = given.key AND l.value = given.value

-- name: insert_tombstones
INSERT INTO tombstone (workspace_id, hash) SELECT $1, hash FROM unnest($2::bytea[]) AS given (hash) ORDER BY hash ON CONFLICT DO NOTHING

-- name: has_tombstones
SELECT EXISTS (SELECT FROM tombstone WHERE workspace_id = $1) AS present

-- name: tombstones_among
SELECT hash FROM tombstone WHERE workspace_id = $1 AND hash = any($2::bytea[])

-- name: lift_tombstones
DELETE FROM tombstone WHERE workspace_id = $1 AND hash = any($2::bytea[])

-- name: erased_among
SELECT id FROM profile WHERE workspace_id = $1 AND id = any($2::uuid[]) AND status = 'ERASED'

-- name: erase_profiles
-- Only those that still hold something: a second pass over an erased profile writes nothing.
UPDATE profile
   SET status = 'ERASED', lifecycle = 'ANONYMOUS', first_name = NULL, middle_name = NULL, last_name = NULL, avatar_url = NULL, locale = NULL,
       time_zone = NULL, birth_date = NULL, customer_since = NULL, edited_fields = '{}', version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND id = any($2::uuid[])
   AND (status <> 'ERASED'
        OR num_nonnulls(first_name, middle_name, last_name, avatar_url, locale, time_zone, birth_date, customer_since) > 0)
RETURNING id

-- name: anonymise_profiles
-- Of a birth date the year remains.
UPDATE profile
   SET lifecycle = 'ANONYMOUS', first_name = NULL, middle_name = NULL, last_name = NULL, avatar_url = NULL,
       birth_date = date_trunc('year', birth_date)::date, edited_fields = '{}', version = version + 1, updated_at = clock_timestamp()
 WHERE workspace_id = $1 AND id = any($2::uuid[])
   AND (lifecycle <> 'ANONYMOUS' OR num_nonnulls(first_name, middle_name, last_name, avatar_url) > 0
        OR birth_date <> date_trunc('year', birth_date)::date)
RETURNING id

-- name: strip_contacts
-- Contacts of these profiles, and contacts of nobody that came from an address ($3) only they had. With $4 they lose the profile too.
WITH theirs AS (
    SELECT id FROM contact WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
     UNION
    SELECT id FROM contact WHERE workspace_id = $1 AND normalized = any($3::text[]) AND profile_id IS NULL
     UNION
    SELECT c.id
      FROM contact_candidate a
      JOIN contact c ON c.workspace_id = $1 AND c.id = a.contact_id AND c.profile_id IS NULL
     WHERE a.workspace_id = $1 AND a.profile_id = any($2::uuid[])
       AND NOT EXISTS (SELECT FROM contact_candidate o
                        WHERE o.workspace_id = $1 AND o.contact_id = c.id AND NOT o.profile_id = any($2::uuid[]))
), stripped AS (
    UPDATE contact c
       SET address = NULL, normalized = NULL, display_name = NULL, attributes = NULL, handoff_context = NULL, summary = NULL, wrap_up = NULL,
           search_key = NULL, unlink_reason = NULL,
           profile_id = CASE WHEN $4 THEN NULL ELSE profile_id END,
           match = CASE WHEN $4 AND state <> 'CLOSED' AND match <> 'SUPPRESSED' THEN 'NONE' ELSE match END,
           version = version + 1
      FROM theirs t
     WHERE c.workspace_id = $1 AND c.id = t.id
       AND (num_nonnulls(address, normalized, display_name, attributes, handoff_context, summary, wrap_up, search_key, unlink_reason) > 0
            OR ($4 AND profile_id IS NOT NULL))
    RETURNING c.id, c.agent_id, c.state
), candidate AS (
    DELETE FROM contact_candidate WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING contact_id
), association AS (
    DELETE FROM contact_association WHERE $4 AND workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING contact_id
)
SELECT s.id, s.agent_id, s.state, (SELECT count(*) FROM candidate) AS candidates, (SELECT count(*) FROM association) AS associations
  FROM stripped s
 UNION ALL
SELECT NULL, NULL, NULL, (SELECT count(*) FROM candidate), (SELECT count(*) FROM association)

-- name: erase_merges
-- Without its journal a merge cannot be taken back, so its record goes as well; what happened stands in the audit.
WITH undone AS (
    SELECT id FROM merge WHERE workspace_id = $1 AND survivor_id = any($2::uuid[])
), theirs AS (
    SELECT merge_id, profile_id, kind FROM merge_journal WHERE workspace_id = $1 AND profile_id = any($2::uuid[])
     UNION
    SELECT j.merge_id, j.profile_id, j.kind FROM undone u JOIN merge_journal j ON j.workspace_id = $1 AND j.merge_id = u.id
), journal AS (
    DELETE FROM merge_journal j
     USING theirs t
     WHERE j.workspace_id = $1 AND j.merge_id = t.merge_id AND j.profile_id = t.profile_id AND j.kind = t.kind
    RETURNING j.merge_id
), record AS (
    DELETE FROM merge m WHERE m.workspace_id = $1 AND m.id IN (SELECT id FROM undone) RETURNING m.id
), nameless AS (
    UPDATE merge m SET reason = NULL
     WHERE m.workspace_id = $1 AND m.id IN (SELECT merge_id FROM journal EXCEPT SELECT id FROM undone) AND m.reason IS NOT NULL
    RETURNING m.id
), proposal AS (
    DELETE FROM merge_proposal p
     WHERE p.workspace_id = $1 AND (p.first_id = any($2::uuid[]) OR p.second_id = any($2::uuid[]))
    RETURNING p.id
)
SELECT (SELECT count(*) FROM journal) AS merge_journal, (SELECT count(*) FROM record) AS merge, (SELECT count(*) FROM proposal) AS merge_proposal,
       (SELECT count(*) FROM nameless) AS merge_reason

-- name: erase_notes
DELETE FROM note WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING profile_id, id

-- name: erase_records
WITH gone_trait AS (DELETE FROM trait WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_point AS (DELETE FROM contact_point WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_identifier AS (DELETE FROM identifier WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_membership AS (DELETE FROM membership WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_consent AS (DELETE FROM consent WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_segment AS (DELETE FROM segment_membership WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_interest AS (DELETE FROM interest WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_verification AS (DELETE FROM verification WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_mark AS (DELETE FROM arrival_mark WHERE workspace_id = $1 AND profile_id = any($2::uuid[])),
     gone_sighting AS (DELETE FROM source_sighting WHERE workspace_id = $1 AND profile_id = any($2::uuid[])),
     gone_presence AS (DELETE FROM presence WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1)
SELECT (SELECT count(*) FROM gone_trait) AS trait, (SELECT count(*) FROM gone_point) AS contact_point, (SELECT count(*) FROM gone_identifier) AS identifier,
       (SELECT count(*) FROM gone_membership) AS membership, (SELECT count(*) FROM gone_consent) AS consent,
       (SELECT count(*) FROM gone_segment) AS segment_membership, (SELECT count(*) FROM gone_interest) AS interest,
       (SELECT count(*) FROM gone_verification) AS verification, (SELECT count(*) FROM gone_presence) AS presence

-- name: trait_keys
SELECT DISTINCT key, kind FROM trait WHERE workspace_id = $1 AND profile_id = any($2::uuid[])

-- name: anonymise_records
-- $3: the traits that say who it was.
WITH gone_trait AS (DELETE FROM trait
                     WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND (key = any($3::text[]) OR sealed IS NOT NULL) RETURNING 1),
     gone_point AS (DELETE FROM contact_point WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_identifier AS (DELETE FROM identifier WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1),
     gone_evidence AS (UPDATE consent SET evidence = NULL
                        WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) AND evidence IS NOT NULL RETURNING 1),
     gone_mark AS (DELETE FROM arrival_mark WHERE workspace_id = $1 AND profile_id = any($2::uuid[])),
     gone_sighting AS (DELETE FROM source_sighting WHERE workspace_id = $1 AND profile_id = any($2::uuid[])),
     gone_verification AS (DELETE FROM verification WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) RETURNING 1)
SELECT (SELECT count(*) FROM gone_trait) AS trait, (SELECT count(*) FROM gone_point) AS contact_point, (SELECT count(*) FROM gone_identifier) AS identifier,
       (SELECT count(*) FROM gone_evidence) AS consent_evidence, (SELECT count(*) FROM gone_verification) AS verification

-- name: erase_activities
-- One portion ($3); the keys lead each row to its one partition.
WITH gone AS (
    SELECT profile_id, occurred_at, source, id FROM activity WHERE workspace_id = $1 AND profile_id = any($2::uuid[]) LIMIT $3
), deleted AS (
    DELETE FROM activity a
     USING gone g
     WHERE a.workspace_id = $1 AND a.profile_id = g.profile_id AND a.occurred_at = g.occurred_at AND a.source = g.source AND a.id = g.id
    RETURNING 1
)
SELECT count(*) AS n FROM deleted

-- name: activities_after
-- A profile's whole timeline, page by page, oldest first.
SELECT profile_id, occurred_at, source, id, kind, type, channel, direction, account, detail, received_at
  FROM activity
 WHERE workspace_id = $1 AND profile_id = $2 AND occurred_at >= $3 AND (occurred_at, source, id) > ($3, $4, $5::uuid)
 ORDER BY occurred_at, source, id
 LIMIT $6

-- name: anonymise_activities
UPDATE activity a
   SET account = NULL, detail = new.detail
  FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::jsonb[]) AS new (profile_id, occurred_at, source, id, detail)
 WHERE a.workspace_id = $1 AND a.profile_id = new.profile_id AND a.occurred_at = new.occurred_at AND a.source = new.source AND a.id = new.id

-- name: allow_redaction
-- For this transaction alone the trigger of the audit lets values be taken out.
SELECT set_config('gateway.redacting', 'on', true)

-- name: redact_changes
-- Of an entry remain who did what when, and the names of the fields.
UPDATE change c
   SET reason = NULL,
       fields = coalesce((SELECT jsonb_agg(f || '{"before": null, "after": null}' ORDER BY n)
                            FROM jsonb_array_elements(c.fields) WITH ORDINALITY AS one (f, n)), '[]')
 WHERE c.workspace_id = $1 AND c.profile_id = any($2::uuid[]) AND c.action <> 'ERASED'
   AND (c.reason IS NOT NULL OR c.fields @? '$[*] ? (@.before.type() != "null" || @.after.type() != "null")')

-- name: erase_exports
DELETE FROM privacy_file f
 USING privacy_job j
 WHERE f.workspace_id = $1 AND j.workspace_id = $1 AND j.id = f.job_id AND j.profile_id = any($2::uuid[])

-- name: insert_privacy_file
-- The part after the last one; the job's lock keeps others away.
INSERT INTO privacy_file (workspace_id, job_id, part, data, expires_at)
SELECT $1, $2, coalesce(max(part), 0) + 1, $3, clock_timestamp() + $4 * interval '1 hour'
  FROM privacy_file
 WHERE workspace_id = $1 AND job_id = $2

-- name: expire_privacy_file
-- The time of a whole file counts from when it is complete.
UPDATE privacy_file SET expires_at = clock_timestamp() + $3 * interval '1 hour' WHERE workspace_id = $1 AND job_id = $2

-- name: privacy_file_parts
SELECT part, octet_length(data) AS size
  FROM privacy_file
 WHERE workspace_id = $1 AND job_id = $2 AND expires_at > clock_timestamp()
 ORDER BY part

-- name: privacy_file_part
SELECT data FROM privacy_file WHERE workspace_id = $1 AND job_id = $2 AND part = $3 AND expires_at > clock_timestamp()
