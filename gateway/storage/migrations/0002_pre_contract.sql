-- The whole contract: live contacts, attributes and layouts, consents, segments and interests, merges, the audit, privacy, presence.
--
-- What belongs to a profile has a key that begins with (workspace_id, profile_id), as before. What belongs to a workspace as a whole (contacts,
-- merges, jobs) begins with workspace_id.

ALTER TABLE profile ADD COLUMN merged_into uuid;          -- status MERGED: the survivor, always a living profile or one merged later itself
ALTER TABLE profile ADD COLUMN localized_names jsonb NOT NULL DEFAULT '{}';  -- locale -> display name
ALTER TABLE note ADD COLUMN contact_id uuid;              -- the contact during which it was written

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

CREATE TABLE segment_membership (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    key          text COLLATE "C" NOT NULL,
    source       text COLLATE "C" NOT NULL,
    name         text,
    entered_at   timestamptz,
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
CREATE INDEX interest_topic_search ON interest_topic USING gin (search_key gin_trgm_ops);

-- SENSITIVE identifiers (a social security number) are found by a keyed hash; their text is kept encrypted, and lookup has the hash too.
ALTER TABLE identifier ADD COLUMN sealed bytea;           -- AES-256-GCM of raw where the type is SENSITIVE; raw and normalized then hold no digits of it
ALTER TABLE trait ADD COLUMN sealed bytea;                -- the same for SENSITIVE attributes; value is then JSON null

-- Transcripts: messages are activities of kind MESSAGE that name their interaction.
CREATE INDEX activity_transcript ON activity (workspace_id, profile_id, (detail ->> 'interaction'), occurred_at, id) WHERE kind = 'MESSAGE';

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

CREATE FUNCTION change_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('gateway.redacting', true) IS DISTINCT FROM 'on' OR TG_OP = 'DELETE' THEN
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
    kind         text NOT NULL,                 -- a table's name, or 'columns' for what the survivor's row held
    moved        uuid[] NOT NULL DEFAULT '{}',  -- rows that went to the survivor
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
    counts       jsonb NOT NULL DEFAULT '{}',   -- table -> rows: the certificate
    actor_id     text NOT NULL,
    actor_name   text NOT NULL,
    actor_kind   text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    problem      text,
    PRIMARY KEY (workspace_id, id)
);
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
