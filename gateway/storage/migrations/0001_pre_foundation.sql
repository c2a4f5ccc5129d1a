-- Foundation: workspaces, profiles and what belongs to them, the timeline, the change log.
--
-- Every table that belongs to a profile has a primary key that begins with (workspace_id, profile_id), and every query of the read and the
-- live path carries both: the database can be sharded by profile without changing a query. Ids are UUIDv7, made by the gateway.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE workspace (
    id         uuid PRIMARY KEY,
    key        text NOT NULL UNIQUE,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_key (
    id           text PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES workspace,
    kind         text NOT NULL,
    secret_hash  bytea NOT NULL,                -- HMAC-SHA-256 under the server's secret: the key itself is never stored
    source       text COLLATE "C",              -- write keys: the source their events count as
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);

CREATE TABLE profile (
    workspace_id   uuid NOT NULL,
    id             uuid NOT NULL,
    version        integer NOT NULL DEFAULT 1,
    status         text NOT NULL DEFAULT 'ACTIVE',
    lifecycle      text NOT NULL DEFAULT 'PROSPECT',
    first_name     text,
    middle_name    text,
    last_name      text,
    avatar_url     text,
    locale         text,
    time_zone      text,
    birth_date     date,
    customer_since timestamptz,
    edited_fields  text[] NOT NULL DEFAULT '{}', -- columns an agent set by hand: no source overwrites them
    name_key       text GENERATED ALWAYS AS (' ' || lower(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) STORED,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX profile_name ON profile USING gin (name_key gin_trgm_ops);

CREATE TABLE contact_point (
    workspace_id   uuid NOT NULL,
    profile_id     uuid NOT NULL,
    id             uuid NOT NULL,
    channel        text NOT NULL,
    custom_channel text,
    raw            text NOT NULL,
    normalized     text NOT NULL,
    label          text,
    is_primary     boolean NOT NULL DEFAULT false,
    is_verified    boolean NOT NULL DEFAULT false,
    source         text COLLATE "C" NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, profile_id, id)
);
CREATE UNIQUE INDEX contact_point_value ON contact_point (workspace_id, profile_id, channel, coalesce(custom_channel, ''), normalized);
CREATE UNIQUE INDEX contact_point_primary ON contact_point (workspace_id, profile_id, channel, coalesce(custom_channel, '')) WHERE is_primary;

CREATE TABLE identifier (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    id           uuid NOT NULL,
    type         text NOT NULL,
    raw          text NOT NULL,
    normalized   text NOT NULL,
    is_verified  boolean NOT NULL DEFAULT false,
    source       text COLLATE "C" NOT NULL,
    added_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, profile_id, id)
);
CREATE UNIQUE INDEX identifier_value ON identifier (workspace_id, profile_id, type, normalized);

-- From a value to the profiles that have it; distributed by value when sharded. Identifiers are exclusive (one profile per value), contact
-- points are not (families share a phone).
CREATE TABLE lookup (
    workspace_id uuid NOT NULL,
    key          text NOT NULL,                 -- an identifier type, 'phone', 'email' or a channel
    value        text NOT NULL,                 -- normalized
    profile_id   uuid NOT NULL,
    exclusive    boolean NOT NULL,
    PRIMARY KEY (workspace_id, key, value, profile_id)
);
CREATE UNIQUE INDEX lookup_exclusive ON lookup (workspace_id, key, value) WHERE exclusive;

CREATE TABLE trait (
    workspace_id  uuid NOT NULL,
    profile_id    uuid NOT NULL,
    key           text COLLATE "C" NOT NULL,
    source        text COLLATE "C" NOT NULL,
    value         jsonb NOT NULL,
    kind          text NOT NULL,
    category      text,
    confidence    double precision,
    computed_from text,
    model         text,
    observed_at   timestamptz NOT NULL,
    expires_at    timestamptz,
    actor_id      text,
    actor_name    text,
    actor_kind    text,
    PRIMARY KEY (workspace_id, profile_id, key, source)
);

CREATE TABLE note (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    id           uuid NOT NULL,
    version      integer NOT NULL DEFAULT 1,
    body         text NOT NULL,
    is_pinned    boolean NOT NULL DEFAULT false,
    author_id    text NOT NULL,
    author_name  text NOT NULL,
    author_kind  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, profile_id, id)  -- ids are in time order: the key serves "newest first"
);

CREATE TABLE company (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL,
    version      integer NOT NULL DEFAULT 1,
    natural_key  text NOT NULL,                 -- 'group:<id in the sending system>' or 'name:<folded name>'
    name         text NOT NULL,
    domain       text,
    traits       jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, natural_key)
);

CREATE TABLE membership (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    company_id   uuid NOT NULL,
    role         text,
    is_main      boolean NOT NULL DEFAULT false,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, profile_id, company_id)
);
CREATE UNIQUE INDEX membership_main ON membership (workspace_id, profile_id) WHERE is_main;

-- The timeline, one partition per month so that retention drops partitions. There is no DEFAULT partition on purpose: with one, Postgres
-- could not read the partitions in order and a page would touch all of them.
CREATE TABLE activity (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    occurred_at  timestamptz NOT NULL,
    source       text COLLATE "C" NOT NULL,
    id           uuid NOT NULL,                 -- UUIDv7 of occurred_at: an id alone finds its partition
    kind         text NOT NULL,
    type         text NOT NULL,
    channel      text,
    direction    text,
    account      text,
    detail       jsonb NOT NULL,                -- properties, or the fields of an interaction
    received_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, profile_id, occurred_at, source, id)
) PARTITION BY RANGE (occurred_at);

-- Which messages were taken in, so that a sender may repeat itself.
CREATE TABLE ingest_message (
    workspace_id uuid NOT NULL,
    source       text COLLATE "C" NOT NULL,
    message_id   text NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, source, message_id)
);
CREATE INDEX ingest_message_age ON ingest_message USING brin (received_at);

CREATE TABLE idempotency (
    workspace_id uuid NOT NULL,
    actor        text NOT NULL,
    key          text NOT NULL,
    input_hash   bytea NOT NULL,
    result       jsonb,
    at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, actor, key)
);

-- One row per stream: the lock on it, held to commit, makes the order of seq the order of commits (docs/architecture.md, "A change").
CREATE TABLE stream_head (
    workspace_id uuid NOT NULL,
    stream_id    uuid NOT NULL,                 -- the profile's id
    epoch        uuid NOT NULL DEFAULT gen_random_uuid(),
    head         bigint NOT NULL DEFAULT 0,     -- last seq given out
    low          bigint NOT NULL DEFAULT 0,     -- everything up to here has been retired
    PRIMARY KEY (workspace_id, stream_id)
) WITH (fillfactor = 50);

-- References, never values: an entry is rendered when it is delivered, under the receiver's rights at that moment.
CREATE TABLE change_log (
    workspace_id  uuid NOT NULL,
    stream_id     uuid NOT NULL,
    seq           bigint NOT NULL,
    kind          smallint NOT NULL,
    entity_id     uuid,
    entity_source text,
    is_new        boolean NOT NULL DEFAULT true,
    fields        text[] NOT NULL DEFAULT '{}',
    actor         text NOT NULL,
    xid           xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, stream_id, seq, at)
) PARTITION BY RANGE (at);

-- Makes every partition that is missing around now: 36 months of activities behind (older ones share one partition) and three ahead, a
-- week of change log ahead. Safe to call at any time and from several processes.
CREATE FUNCTION ensure_partitions(now_at timestamptz DEFAULT now()) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made  integer := 0;
    day   timestamp;
    month timestamp;
    first timestamp := date_trunc('month', now_at AT TIME ZONE 'UTC') - interval '36 months';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('profile-gateway partitions'));
    IF to_regclass('activity_past') IS NULL THEN
        EXECUTE format('CREATE TABLE activity_past PARTITION OF activity FOR VALUES FROM (MINVALUE) TO (%L)', first || '+00');
        made := made + 1;
    END IF;
    FOR month IN SELECT generate_series(first, first + interval '39 months', interval '1 month') LOOP
        CONTINUE WHEN to_regclass('activity_' || to_char(month, 'YYYY_MM')) IS NOT NULL;
        -- a month that lies wholly inside activity_past (it was made later than that month) stays there
        CONTINUE WHEN month < (SELECT min(to_date(substr(c.relname, 10), 'YYYY_MM')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                               WHERE i.inhparent = 'activity'::regclass AND c.relname ~ '^activity_\d{4}_\d\d$');
        EXECUTE format('CREATE TABLE %I PARTITION OF activity FOR VALUES FROM (%L) TO (%L)',
                       'activity_' || to_char(month, 'YYYY_MM'), month || '+00', (month + interval '1 month') || '+00');
        made := made + 1;
    END LOOP;
    FOR day IN SELECT generate_series(date_trunc('day', now_at AT TIME ZONE 'UTC') - interval '1 day',
                                      date_trunc('day', now_at AT TIME ZONE 'UTC') + interval '7 days', interval '1 day') LOOP
        CONTINUE WHEN to_regclass('change_log_' || to_char(day, 'YYYY_MM_DD')) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I PARTITION OF change_log FOR VALUES FROM (%L) TO (%L)',
                       'change_log_' || to_char(day, 'YYYY_MM_DD'), day || '+00', (day + interval '1 day') || '+00');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

SELECT ensure_partitions();
