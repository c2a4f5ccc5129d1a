-- The whole contract: live contacts, attributes and layouts, consents, segments and interests, merges, the audit, privacy, presence.
--
-- What belongs to a profile has a key that begins with (workspace_id, profile_id), as before. What belongs to a workspace as a whole (contacts,
-- merges, jobs) begins with workspace_id.

ALTER TABLE profile ADD COLUMN merged_into uuid;          -- status MERGED: the survivor, always a living profile or one merged later itself
ALTER TABLE note ADD COLUMN contact_id uuid;              -- the contact during which it was written
CREATE INDEX membership_company ON membership (workspace_id, company_id, profile_id);  -- the members of a company

-- A live contact: a call, a chat. Opened by the routing system, worked on by an agent, closed into an Interaction of the timeline.
CREATE TABLE contact (
    workspace_id    uuid NOT NULL,
    id              uuid NOT NULL,
    version         integer NOT NULL DEFAULT 1,
    external_id     text NOT NULL,
    state           text NOT NULL DEFAULT 'OFFERED',
    channel         text NOT NULL,
    custom_channel  text,
    address         text,                       -- as the routing system said it
    normalized      text,                       -- as it is compared; NULL where it cannot be an address of its channel
    display_name    text,
    direction       text NOT NULL,
    agent_id        text COLLATE "C",
    agent_name      text,
    queue           text,
    match           text NOT NULL DEFAULT 'SEARCHING',
    profile_id      uuid,                       -- the current association
    parent_id       uuid,
    attributes      jsonb,
    handoff_context jsonb,
    summary         text,
    wrap_up         jsonb,
    search_key      jsonb,                      -- the caller's own search instead of the channel's: {"key", "values"}, normalized or hashed
    opened_by       text NOT NULL,
    unlink_reason   text,
    interaction_id  uuid,                       -- the timeline item its closing wrote
    offered_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted_at     timestamptz,
    wrap_up_at      timestamptz,
    closed_at       timestamptz,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, external_id)
);
CREATE INDEX contact_desk ON contact (workspace_id, agent_id, id) WHERE state <> 'CLOSED';
CREATE INDEX contact_profile ON contact (workspace_id, profile_id, id);
CREATE INDEX contact_agent ON contact (workspace_id, agent_id, id);

-- Who the contact may be. An open contact lets its agent read these profiles.
CREATE TABLE contact_candidate (
    workspace_id uuid NOT NULL,
    contact_id   uuid NOT NULL,
    profile_id   uuid NOT NULL,
    score        double precision NOT NULL,
    matched_on   jsonb NOT NULL,                -- [{"key", "value"}], values normalized: masked when they are shown
    PRIMARY KEY (workspace_id, contact_id, profile_id)
);
CREATE INDEX contact_candidate_profile ON contact_candidate (workspace_id, profile_id);

-- Every association there ever was; the one without superseded_at counts.
CREATE TABLE contact_association (
    workspace_id  uuid NOT NULL,
    contact_id    uuid NOT NULL,
    id            uuid NOT NULL,
    profile_id    uuid NOT NULL,
    actor_id      text NOT NULL,
    actor_name    text NOT NULL,
    actor_kind    text NOT NULL,
    automatic     boolean NOT NULL,
    verified_keys text[] NOT NULL DEFAULT '{}',
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    superseded_at timestamptz,
    PRIMARY KEY (workspace_id, contact_id, id)
);
CREATE UNIQUE INDEX contact_association_current ON contact_association (workspace_id, contact_id) WHERE superseded_at IS NULL;
CREATE INDEX contact_association_profile ON contact_association (workspace_id, profile_id);

-- Wrong answers to "please confirm your …", per contact (or per agent where there is none).
CREATE TABLE verification (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    scope        text NOT NULL,                 -- 'contact:<id>' or 'agent:<subject>'
    misses       integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, profile_id, scope)
);

-- What an agent pinned, in the agent's order.
CREATE TABLE preference (
    workspace_id uuid NOT NULL,
    subject      text NOT NULL,
    version      integer NOT NULL DEFAULT 1,
    visible      text[] NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, subject)
);

CREATE TABLE layout (
    workspace_id            uuid NOT NULL,
    name                    text NOT NULL,
    version                 integer NOT NULL DEFAULT 1,
    header                  text[] NOT NULL,
    sections                jsonb NOT NULL,
    external_activity_types text[] NOT NULL,
    timeline_order          text NOT NULL,
    updated_by              text NOT NULL,
    updated_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, name)
);

CREATE TABLE consent (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    purpose      text NOT NULL,
    channel      text NOT NULL DEFAULT '',      -- '' for every channel
    status       text NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz,
    source       text COLLATE "C" NOT NULL,
    evidence     text,
    PRIMARY KEY (workspace_id, profile_id, purpose, channel)
);

-- A row stays when the person has left, so that an event that arrives late does not put the person in again.
CREATE TABLE segment_membership (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    key          text COLLATE "C" NOT NULL,
    source       text COLLATE "C" NOT NULL,
    name         text,
    entered_at   timestamptz,
    left_at      timestamptz,                   -- NULL while the person is in it
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),  -- when the last event that counted happened
    PRIMARY KEY (workspace_id, profile_id, key)
);

-- What a customer has shown an interest in, per topic and source; its triggers are activities of kind INTEREST.
CREATE TABLE interest (
    workspace_id       uuid NOT NULL,
    profile_id         uuid NOT NULL,
    topic              text NOT NULL,
    source             text COLLATE "C" NOT NULL,
    category           text NOT NULL,
    score              double precision NOT NULL,
    scored_at          timestamptz,             -- when the source itself gave the score; NULL where it is derived from the count
    first_triggered_at timestamptz NOT NULL,
    last_triggered_at  timestamptz NOT NULL,
    trigger_count      integer NOT NULL,
    PRIMARY KEY (workspace_id, profile_id, topic, source)
);

CREATE TABLE interest_topic (
    workspace_id uuid NOT NULL,
    topic        text NOT NULL,
    category     text NOT NULL,
    search_key   text GENERATED ALWAYS AS (lower(topic)) STORED,
    PRIMARY KEY (workspace_id, topic)
);
-- without a list of pending entries: it changes rarely, and every search would read that list
CREATE INDEX interest_topic_search ON interest_topic USING gin (search_key gin_trgm_ops) WITH (fastupdate = off);

-- SENSITIVE identifiers (a social security number) are found by a keyed hash; their text is kept encrypted, and lookup has the hash too.
ALTER TABLE identifier ADD COLUMN sealed bytea;           -- AES-256-GCM of raw where the type is SENSITIVE; raw and normalized then hold no digits of it
ALTER TABLE trait ADD COLUMN sealed bytea;                -- the same for SENSITIVE attributes; value is then JSON null

-- Transcripts: a message names its conversation as its sender does, or else its interaction's id; an interaction knows its conversation likewise.
CREATE INDEX activity_conversation
    ON activity (workspace_id, profile_id, (coalesce(detail ->> 'conversation', detail ->> 'interaction')), kind, occurred_at, source, id)
 WHERE kind IN ('MESSAGE', 'INTERACTION');

-- Notes are listed pinned first.
CREATE INDEX note_listed ON note (workspace_id, profile_id, is_pinned, id);

-- The audit: who did what to a profile. Append-only, by trigger; only an erasure takes values out, never a row.
CREATE TABLE change (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    id           uuid NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    action       text NOT NULL,
    actor_id     text NOT NULL,
    actor_name   text NOT NULL,
    actor_kind   text NOT NULL,
    fields       jsonb NOT NULL DEFAULT '[]',   -- [{"field", "before", "after", "as"}]; "as": the mask of the values (phone, email, text, sensitive)
    reason       text,
    contact_id   uuid,
    PRIMARY KEY (workspace_id, profile_id, id)
);

CREATE INDEX change_timeline ON change (workspace_id, profile_id, at, id);

CREATE FUNCTION change_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('gateway.redacting', true) IS DISTINCT FROM 'on' OR TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (new.workspace_id, new.id, new.at, new.action, new.actor_id) IS DISTINCT FROM (old.workspace_id, old.id, old.at, old.action, old.actor_id) THEN
        RAISE EXCEPTION 'of the audit only values and the profile of a merge may change' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER change_append_only BEFORE UPDATE OR DELETE ON change FOR EACH ROW EXECUTE FUNCTION change_is_append_only();
CREATE TRIGGER change_no_truncate BEFORE TRUNCATE ON change FOR EACH STATEMENT EXECUTE FUNCTION change_is_append_only();

-- Merges: what was joined, and a journal that takes every row back.
CREATE TABLE merge (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL,
    survivor_id  uuid NOT NULL,
    merged_ids   uuid[] NOT NULL,
    actor_id     text NOT NULL,
    actor_name   text NOT NULL,
    actor_kind   text NOT NULL,
    reason       text,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    undone_at    timestamptz,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX merge_survivor ON merge (workspace_id, survivor_id);

CREATE TABLE merge_journal (
    workspace_id uuid NOT NULL,
    merge_id     uuid NOT NULL,
    profile_id   uuid NOT NULL,                 -- whose rows they were
    kind         text NOT NULL,                 -- a table's name, or what `commands.merge_journal` keeps besides (columns, primary, main, match)
    moved        uuid[] NOT NULL DEFAULT '{}',  -- rows that went to the survivor
    keys         jsonb NOT NULL DEFAULT '[]',   -- the same where a row has no id: the rest of its key, as texts
    kept         jsonb NOT NULL DEFAULT '[]',   -- rows that could not, whole
    PRIMARY KEY (workspace_id, merge_id, profile_id, kind)
);

CREATE TABLE merge_proposal (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL,
    first_id     uuid NOT NULL,                 -- the smaller id of the two
    second_id    uuid NOT NULL,
    rule         text NOT NULL,
    score        double precision NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    dismissed_at timestamptz,
    dismissed_by text,
    reason       text,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, first_id, second_id),
    CHECK (first_id < second_id)
);
CREATE INDEX merge_proposal_second ON merge_proposal (workspace_id, second_id);

-- Privacy: jobs that go on where they stopped, their files, and the hashes that keep an erased person from coming back.
CREATE TABLE privacy_job (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL,
    profile_id   uuid NOT NULL,
    action       text NOT NULL,
    state        text NOT NULL DEFAULT 'QUEUED',
    step         text,                          -- the last step that is done
    place        jsonb,                         -- how far the step after it has come
    counts       jsonb NOT NULL DEFAULT '{}',   -- table -> rows: the certificate
    actor_id     text NOT NULL,
    actor_name   text NOT NULL,
    actor_kind   text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    attempts     integer NOT NULL DEFAULT 0,    -- failures in a row
    due_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    problem      text,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX privacy_job_profile ON privacy_job (workspace_id, profile_id, id);
CREATE INDEX privacy_job_open ON privacy_job (requested_at) WHERE state IN ('QUEUED', 'RUNNING');
CREATE UNIQUE INDEX privacy_job_once ON privacy_job (workspace_id, profile_id, action) WHERE state IN ('QUEUED', 'RUNNING');

CREATE TABLE privacy_file (
    workspace_id uuid NOT NULL,
    job_id       uuid NOT NULL,
    part         integer NOT NULL,
    data         bytea NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, job_id, part)
);

CREATE TABLE tombstone (
    workspace_id uuid NOT NULL,
    hash         bytea NOT NULL,                -- HMAC-SHA-256 of an identity value of somebody erased
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, hash)
);

-- Who has a profile open right now: no history, gone with a crash of the server.
CREATE UNLOGGED TABLE presence (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    session_id   uuid NOT NULL,                 -- one socket, or one subject without a socket
    subject      text NOT NULL,
    name         text NOT NULL,
    kind         text NOT NULL,
    editing      boolean NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, profile_id, session_id)
);
CREATE INDEX presence_session ON presence (session_id);

-- Whose credentials from before this moment count no more.
CREATE TABLE revocation (
    workspace_id uuid NOT NULL,
    subject      text NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_id     text NOT NULL,
    reason       text NOT NULL,
    PRIMARY KEY (workspace_id, subject)
);
CREATE INDEX revocation_at ON revocation (at);

-- The workspace-wide feed reads the log in the order of transactions.
CREATE INDEX change_log_feed ON change_log (workspace_id, xid, stream_id, seq);

-- An erasure finds what belongs to a person from every side.
CREATE INDEX profile_merged ON profile (workspace_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX merge_journal_profile ON merge_journal (workspace_id, profile_id);
CREATE INDEX contact_normalized ON contact (workspace_id, normalized) WHERE normalized IS NOT NULL;

-- Retention looks for what is old.
CREATE INDEX idempotency_age ON idempotency USING brin (at);
CREATE INDEX note_age ON note USING brin (created_at);
CREATE INDEX change_age ON change USING brin (at);
CREATE INDEX privacy_file_age ON privacy_file (expires_at);

-- Drops every month of activities that ended by then, together with everything older, in one transaction: no moment is without a partition at
-- any time. It takes the whole timeline for itself, so it waits for others for half a second only and is tried again later. Returns how many
-- months are gone.
CREATE FUNCTION retire_activities(ended_by timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    old   text[];
    bound timestamptz;
BEGIN
    PERFORM set_config('lock_timeout', '500', true);
    SELECT array_agg(c.relname ORDER BY c.relname), max(to_date(substr(c.relname, 10), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC'
      INTO old, bound
      FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'activity'::regclass AND c.relname ~ '^activity_\d{4}_\d\d$'
       AND (to_date(substr(c.relname, 10), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= ended_by;
    IF old IS NULL THEN
        RETURN 0;
    END IF;
    LOCK TABLE activity IN ACCESS EXCLUSIVE MODE;
    FOR n IN 1 .. cardinality(old) LOOP
        EXECUTE format('DROP TABLE %I', old[n]);
    END LOOP;
    EXECUTE 'DROP TABLE activity_past';
    EXECUTE format('CREATE TABLE activity_past PARTITION OF activity FOR VALUES FROM (MINVALUE) TO (%L)', bound);
    RETURN cardinality(old);
END $$;

-- Names, as in a telephone book: a living profile stands under every word of its name, the rest of the name behind it ("lopez ana" besides
-- "ana lopez"), so that the beginning of any word is the beginning of an entry. A page reads as many entries as it shows, however common the
-- name is (docs/decisions/0005-name-search.md). Kept by triggers: whoever changes a profile cannot forget it.
DROP INDEX profile_name;
CREATE TABLE name_entry (
    workspace_id uuid NOT NULL,
    entry        text COLLATE "C" NOT NULL,     -- folded; at most eight words
    profile_id   uuid NOT NULL,
    PRIMARY KEY (workspace_id, entry, profile_id)
);

-- Every word that names have, to find those that are spelt alike. Without a unique key on purpose: two transactions that first see a word at
-- the same moment both write it instead of waiting for each other.
CREATE TABLE name_word (
    workspace_id uuid NOT NULL,
    word         text COLLATE "C" NOT NULL
);
CREATE INDEX name_word_key ON name_word (workspace_id, word);
CREATE INDEX name_word_trigram ON name_word USING gin (word gin_trgm_ops);

CREATE FUNCTION name_entries(name_key text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT left(array_to_string(w.words[n:] || w.words[:n - 1], ' '), 600)
      FROM (SELECT (regexp_split_to_array(btrim(name_key), '\s+'))[:8] AS words) AS w
     CROSS JOIN generate_series(1, cardinality(w.words)) AS n
     WHERE w.words[1] <> ''
$$;

CREATE FUNCTION enter_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO name_entry (workspace_id, entry, profile_id)
    SELECT p.workspace_id, e.entry, p.id
      FROM added p
     CROSS JOIN LATERAL name_entries(p.name_key) AS e (entry)
     WHERE p.status = 'ACTIVE'
        ON CONFLICT DO NOTHING;
    INSERT INTO name_word (workspace_id, word)
    SELECT DISTINCT p.workspace_id, split_part(e.entry, ' ', 1)
      FROM added p
     CROSS JOIN LATERAL name_entries(p.name_key) AS e (entry)
     WHERE p.status = 'ACTIVE'
       AND NOT EXISTS (SELECT FROM name_word w WHERE w.workspace_id = p.workspace_id AND w.word = split_part(e.entry, ' ', 1));
    RETURN NULL;
END $$;
CREATE TRIGGER profile_named AFTER INSERT ON profile REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION enter_names();

-- A word that nobody's name has any more goes too: nothing of somebody erased stays.
CREATE FUNCTION forget_words(workspaces uuid[], words text[]) RETURNS void LANGUAGE sql AS $$
    DELETE FROM name_word w USING unnest(workspaces, words) AS former (workspace_id, word)
     WHERE w.workspace_id = former.workspace_id AND w.word = former.word
       AND NOT EXISTS (SELECT FROM name_entry n
                        WHERE n.workspace_id = w.workspace_id AND n.entry >= w.word AND n.entry < w.word || '!'
                          AND split_part(n.entry, ' ', 1) = w.word)
$$;

-- Once per statement, whatever it changes: a batch of two hundred people is one pass, not two hundred.
CREATE FUNCTION change_names() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    workspaces uuid[];
    entries    text[];
    profiles   uuid[];
BEGIN
    SELECT array_agg(o.workspace_id), array_agg(e.entry), array_agg(o.id)
      INTO workspaces, entries, profiles
      FROM gone o
      JOIN added n ON n.workspace_id = o.workspace_id AND n.id = o.id
     CROSS JOIN LATERAL name_entries(o.name_key) AS e (entry)
     WHERE o.status = 'ACTIVE' AND (o.name_key IS DISTINCT FROM n.name_key OR n.status <> 'ACTIVE');
    DELETE FROM name_entry n USING unnest(workspaces, entries, profiles) AS former (workspace_id, entry, profile_id)
     WHERE n.workspace_id = former.workspace_id AND n.entry = former.entry AND n.profile_id = former.profile_id;
    INSERT INTO name_entry (workspace_id, entry, profile_id)
    SELECT n.workspace_id, e.entry, n.id
      FROM added n
      JOIN gone o ON o.workspace_id = n.workspace_id AND o.id = n.id
     CROSS JOIN LATERAL name_entries(n.name_key) AS e (entry)
     WHERE n.status = 'ACTIVE' AND (o.name_key IS DISTINCT FROM n.name_key OR o.status <> 'ACTIVE')
        ON CONFLICT DO NOTHING;
    INSERT INTO name_word (workspace_id, word)
    SELECT DISTINCT n.workspace_id, split_part(e.entry, ' ', 1)
      FROM added n
      JOIN gone o ON o.workspace_id = n.workspace_id AND o.id = n.id
     CROSS JOIN LATERAL name_entries(n.name_key) AS e (entry)
     WHERE n.status = 'ACTIVE' AND (o.name_key IS DISTINCT FROM n.name_key OR o.status <> 'ACTIVE')
       AND NOT EXISTS (SELECT FROM name_word w WHERE w.workspace_id = n.workspace_id AND w.word = split_part(e.entry, ' ', 1));
    PERFORM forget_words(array_agg(former.workspace_id), array_agg(former.word))
       FROM (SELECT DISTINCT g.workspace_id, split_part(g.entry, ' ', 1) AS word FROM unnest(workspaces, entries) AS g (workspace_id, entry)) AS former;
    RETURN NULL;
END $$;
CREATE TRIGGER profile_renamed AFTER UPDATE ON profile REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION change_names();

CREATE FUNCTION remove_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM name_entry n
     USING gone o CROSS JOIN LATERAL name_entries(o.name_key) AS e (entry)
     WHERE n.workspace_id = o.workspace_id AND n.entry = e.entry AND n.profile_id = o.id;
    PERFORM forget_words(array_agg(former.workspace_id), array_agg(former.word))
       FROM (SELECT DISTINCT o.workspace_id, split_part(e.entry, ' ', 1) AS word FROM gone o CROSS JOIN LATERAL name_entries(o.name_key) AS e (entry)) AS former;
    RETURN NULL;
END $$;
CREATE TRIGGER profile_unnamed AFTER DELETE ON profile REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION remove_names();
INSERT INTO name_entry (workspace_id, entry, profile_id)
SELECT p.workspace_id, e.entry, p.id FROM profile p CROSS JOIN LATERAL name_entries(p.name_key) AS e (entry) WHERE p.status = 'ACTIVE';
INSERT INTO name_word (workspace_id, word) SELECT DISTINCT workspace_id, split_part(entry, ' ', 1) FROM name_entry;

-- Attributes that are search keys are found by their values too; what is found so of one profile is let go with it.
CREATE INDEX lookup_attribute ON lookup (workspace_id, profile_id) WHERE starts_with(key, 'attribute:');
