-- Sources elsewhere: items whose ids are their systems' own texts, what those systems told us, and what was seen when they were asked.

-- An item of a system elsewhere in the log: its own id there. Without a default the column is a line in the catalogue: no row is written.
ALTER TABLE change_log ADD COLUMN entity_key text;

-- Webhook messages that were taken in, so that each is taken in once; kept for three days.
CREATE TABLE arrival (
    workspace_id uuid NOT NULL,
    source       text COLLATE "C" NOT NULL,
    message_id   text COLLATE "C" NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, source, message_id)
);
CREATE INDEX arrival_age ON arrival USING brin (received_at);

-- How new the news of a part of a person (its traits, one item) was that a source told last: what is older comes out of order. Three days.
CREATE TABLE arrival_mark (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    source       text COLLATE "C" NOT NULL,
    part         text COLLATE "C" NOT NULL,     -- 'traits', 'profile', …, or 'item:' and the item's id there
    version      bigint,
    at           timestamptz,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, profile_id, source, part)
);
CREATE INDEX arrival_mark_age ON arrival_mark USING brin (received_at);

-- News of people whom nobody here knows yet, found by the key they will be known by (as in `lookup`). Three days, and so many of a source.
CREATE TABLE arrival_waiting (
    workspace_id uuid NOT NULL,
    key          text NOT NULL,
    value        text NOT NULL,
    source       text COLLATE "C" NOT NULL,
    message_id   text COLLATE "C" NOT NULL,
    news         jsonb NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, key, value, source, message_id)
);
CREATE INDEX arrival_waiting_source ON arrival_waiting (workspace_id, source, received_at);

-- What a source was seen to hold of a person somebody watched, as hashes: whoever sees a difference first enters it, over all processes.
CREATE TABLE source_sighting (
    workspace_id uuid NOT NULL,
    profile_id   uuid NOT NULL,
    source       text COLLATE "C" NOT NULL,
    asked_at     timestamptz NOT NULL,          -- when the question was asked whose answer `prints` are
    healed_at    timestamptz,                   -- when what open pages had missed was entered last
    prints       jsonb NOT NULL,
    PRIMARY KEY (workspace_id, profile_id, source)
) WITH (fillfactor = 70);
CREATE INDEX source_sighting_age ON source_sighting USING brin (asked_at);
