-- name: name_and_birth
SELECT first_name, middle_name, last_name, birth_date FROM profile WHERE workspace_id = $1 AND id = $2

-- name: points_on_file
-- The primary one first.
SELECT channel, custom_channel, raw, normalized FROM contact_point WHERE workspace_id = $1 AND profile_id = $2 ORDER BY is_primary DESC, id

-- name: identifiers_on_file
SELECT id, raw, normalized, sealed FROM identifier WHERE workspace_id = $1 AND profile_id = $2 AND type = $3 ORDER BY id

-- name: traits_on_file
-- What each source says, as far as it has not expired.
SELECT profile_id, key, source, value, kind, category, confidence, computed_from, model, observed_at, expires_at,
       actor_id, actor_name, actor_kind, sealed IS NOT NULL AS is_sealed, sealed
  FROM trait
 WHERE workspace_id = $1 AND profile_id = $2 AND key = $3 AND (expires_at IS NULL OR expires_at > clock_timestamp())
 ORDER BY source

-- name: contact_of_agent_about
-- The newest open contact of an agent that is, or may be, about this profile.
SELECT c.id
  FROM contact c
 WHERE c.workspace_id = $1 AND c.agent_id = $2 AND c.state <> 'CLOSED'
   AND (c.profile_id = $3
        OR EXISTS (SELECT FROM contact_candidate k WHERE k.workspace_id = $1 AND k.contact_id = c.id AND k.profile_id = $3))
 ORDER BY c.id DESC
 LIMIT 1

-- name: begin_verification
-- How many answers were wrong, and whether no more are taken now. Whoever asks at the same moment waits here until this one is settled.
-- Wrong answers are forgotten after as many minutes as a lock lasts.
INSERT INTO verification AS v (workspace_id, profile_id, scope)
VALUES ($1, $2, $3)
    ON CONFLICT (workspace_id, profile_id, scope) DO UPDATE
   SET misses = CASE WHEN v.at < clock_timestamp() - $4::integer * interval '1 minute' THEN 0 ELSE v.misses END,
       locked_until = CASE WHEN v.locked_until > clock_timestamp() THEN v.locked_until END
RETURNING misses, locked_until IS NOT NULL AS is_locked

-- name: settle_verification
-- $5: minutes of a lock, or NULL.
UPDATE verification
   SET misses = $4, at = clock_timestamp(), locked_until = clock_timestamp() + $5::integer * interval '1 minute'
 WHERE workspace_id = $1 AND profile_id = $2 AND scope = $3
