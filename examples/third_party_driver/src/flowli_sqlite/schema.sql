-- Layout 2. Instants are milliseconds since the epoch; names, heads, bodies, memos and notes are never interpreted.

BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS jobs (
    place INTEGER PRIMARY KEY,           -- in which order jobs came; never changes while the job is kept
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    urgency INTEGER NOT NULL,            -- the priority, negated: what is served first is the smallest
    due INTEGER NOT NULL,                -- scheduled: when; queued: since when (0: handed back); active: deadline; else: expiry
    ready_at INTEGER NOT NULL DEFAULT 0, -- what `due` was when the last lease was made
    token INTEGER NOT NULL DEFAULT 0,    -- of the last lease
    settled INTEGER,                     -- the last token that settled
    asked INTEGER NOT NULL DEFAULT 0,    -- 1: somebody asked for the cancellation of what runs
    deliveries INTEGER NOT NULL DEFAULT 0,
    head BLOB NOT NULL,
    memo BLOB NOT NULL DEFAULT x'',
    body BLOB NOT NULL                   -- last, so that a listing does not read over it
);

CREATE INDEX IF NOT EXISTS jobs_to_serve ON jobs (queue, urgency, due) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS jobs_by_instant ON jobs (queue, state, due);
CREATE INDEX IF NOT EXISTS jobs_to_list ON jobs (state, queue);

-- How many jobs each queue has in each state, so that nobody counts them. A queue is known while it has a row here.
CREATE TABLE IF NOT EXISTS counts (
    queue TEXT NOT NULL,
    state TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue, state)
) WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS job_comes AFTER INSERT ON jobs BEGIN
    INSERT INTO counts VALUES (new.queue, new.state, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER IF NOT EXISTS job_moves AFTER UPDATE OF state, queue ON jobs
WHEN new.state <> old.state OR new.queue <> old.queue BEGIN
    INSERT INTO counts VALUES (new.queue, new.state, 1) ON CONFLICT DO UPDATE SET number = number + 1;
    UPDATE counts SET number = number - 1 WHERE queue = old.queue AND state = old.state;
    DELETE FROM counts WHERE queue = old.queue AND state = old.state AND number = 0;
END;

CREATE TRIGGER IF NOT EXISTS job_goes AFTER DELETE ON jobs BEGIN
    UPDATE counts SET number = number - 1 WHERE queue = old.queue AND state = old.state;
    DELETE FROM counts WHERE queue = old.queue AND state = old.state AND number = 0;
END;

-- Which job holds each unique key.
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    until TEXT NOT NULL,                 -- started, settled or lapsed; spent: the job is over, the span is not
    first INTEGER NOT NULL,              -- when the job was first asked for
    ends INTEGER                         -- when the key is free in any case
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS keys_by_job ON keys (id);
CREATE INDEX IF NOT EXISTS keys_by_end ON keys (ends) WHERE ends IS NOT NULL;

CREATE TRIGGER IF NOT EXISTS job_starts AFTER UPDATE OF state ON jobs WHEN new.state = 'active' BEGIN
    DELETE FROM keys WHERE id = new.id AND until = 'started';
END;

CREATE TRIGGER IF NOT EXISTS job_ends AFTER UPDATE OF state ON jobs
WHEN new.state IN ('completed', 'failed', 'cancelled') BEGIN
    DELETE FROM keys WHERE id = new.id AND (until IN ('started', 'settled') OR until = 'lapsed' AND old.state <> 'active');
    UPDATE keys SET until = 'spent' WHERE id = new.id AND until = 'lapsed';
END;

CREATE TRIGGER IF NOT EXISTS job_leaves AFTER DELETE ON jobs
WHEN old.state NOT IN ('completed', 'failed', 'cancelled') BEGIN
    DELETE FROM keys WHERE id = old.id AND (until IN ('started', 'settled') OR until = 'lapsed' AND old.state <> 'active');
    UPDATE keys SET until = 'spent' WHERE id = old.id AND until = 'lapsed';
END;

-- The answer to the last call of each sender, so that a call whose reply was lost can be repeated.
CREATE TABLE IF NOT EXISTS turns (
    sender TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    answer TEXT NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS turns_by_end ON turns (until);

CREATE TABLE IF NOT EXISTS schedules (
    key TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    next_run_at INTEGER,
    body BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS schedules_by_instant ON schedules (next_run_at);

CREATE TABLE IF NOT EXISTS runners (
    id TEXT PRIMARY KEY,
    queues TEXT NOT NULL,                -- JSON: a list of names, or null for all
    note BLOB NOT NULL,
    alive_until INTEGER NOT NULL
) WITHOUT ROWID;

-- What operators did: the last notes, by when they were made first.
CREATE TABLE IF NOT EXISTS notes (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS notes_by_instant ON notes (at, id);

CREATE TABLE IF NOT EXISTS pauses (
    kind TEXT NOT NULL,                  -- queue or job
    name TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- What the store remembers of itself: `token`, the last one given, `served`, the queue that a claim took from last, and
-- `buried`, the greatest version of all schedules that were deleted: what is put begins above it.
CREATE TABLE IF NOT EXISTS marks (
    name TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

INSERT OR IGNORE INTO marks VALUES ('token', 0), ('served', ''), ('buried', 0);

PRAGMA application_id = 1179406195;
PRAGMA user_version = 2;

COMMIT;
