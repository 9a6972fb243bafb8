-- Jobs, tasks, timers, logs and workers of the engine.
-- Instants are milliseconds since the epoch on this server's clock. Bodies are JSON kept as text: nothing here looks into
-- them, text takes what jsonb refuses (\u0000), and storing it costs no parsing.

-- Where an index is to be searched up to this instant, the query asks for it once, as (SELECT tutti.now_ms()): compared with the bare
-- function, which may answer differently for each row, an index is read to its end.

CREATE FUNCTION tutti.now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE TABLE tutti.jobs (
  id         uuid PRIMARY KEY,
  client     text NOT NULL,
  blueprint  text NOT NULL,
  version    integer NOT NULL,
  status     text NOT NULL,
  labels     text[] NOT NULL,
  created_at bigint NOT NULL,
  -- Fencing token: a commit names the revision it was made from.
  rev        bigint NOT NULL,
  -- When any instance may take the job to run its handler; taking it moves the instant and so is the lease.
  wake_at    bigint,
  -- Of jobs that have ended: then they may be purged.
  finished_at bigint,
  body       text NOT NULL
);
CREATE INDEX jobs_newest ON tutti.jobs (client, created_at DESC, id DESC);
CREATE INDEX jobs_by_status ON tutti.jobs (status, created_at DESC, id DESC);
-- Partial: an empty list would still cost every job an entry.
CREATE INDEX jobs_by_label ON tutti.jobs USING gin (labels) WHERE labels <> '{}';
CREATE INDEX jobs_waking ON tutti.jobs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX jobs_finished ON tutti.jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Names here are keys: see text.ts. One that is too long for an index is a digest, and its full text stands beside it.
CREATE TABLE tutti.tasks (
  id                text PRIMARY KEY,
  job_id            uuid NOT NULL,
  queue             text NOT NULL,
  queue_name        text,
  priority          double precision NOT NULL,
  fair_key          text NOT NULL,
  -- Turn among the tasks of its queue and priority; null until it first waits there.
  turn              bigint,
  -- Order of arrival: the tie-break among equal turns, and the order within a concurrency key.
  arrival           bigint GENERATED ALWAYS AS IDENTITY,
  -- held_back: others of its key come first. A task that nobody picked up in time is leased to the worker ''.
  state             text NOT NULL CHECK (state IN ('queued', 'held_back', 'leased')),
  concurrency_key   text,
  concurrency_limit integer NOT NULL,
  attempt           integer NOT NULL,
  visible_at        bigint NOT NULL,
  pickup_by         bigint,
  waiting_since     bigint NOT NULL,
  worker            text,
  token             text,
  expires_at        bigint,
  deadline_at       bigint,
  timeout_ms        bigint,
  body              text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX tasks_queue ON tutti.tasks (queue, priority DESC, turn, arrival) WHERE state = 'queued';
-- The minus keeps the planner from looking for the greatest turn of a fair key in tasks_queue, past all tasks of other keys.
CREATE INDEX tasks_turns ON tutti.tasks (queue, priority, fair_key, (-turn)) WHERE state = 'queued';
CREATE INDEX tasks_delayed ON tutti.tasks (visible_at) WHERE state = 'queued' AND attempt > 1;
CREATE INDEX tasks_pickup ON tutti.tasks (pickup_by) WHERE state <> 'leased' AND pickup_by IS NOT NULL;
CREATE INDEX tasks_leased ON tutti.tasks (expires_at) WHERE state = 'leased';
CREATE INDEX tasks_held ON tutti.tasks (worker) WHERE state = 'leased';
CREATE INDEX tasks_of_job ON tutti.tasks (job_id);
CREATE INDEX tasks_of_key ON tutti.tasks (concurrency_key, state, arrival) WHERE concurrency_key IS NOT NULL;

-- The queues that hold tasks, and for a while those that have become empty.
CREATE TABLE tutti.queues (
  queue  text PRIMARY KEY,
  name   text,
  -- About to be forgotten: a task that comes must say otherwise.
  fading boolean NOT NULL DEFAULT false
);

CREATE TABLE tutti.timers (
  id     text PRIMARY KEY,
  job_id uuid NOT NULL,
  due_at bigint NOT NULL,
  body   text NOT NULL
);
CREATE INDEX timers_due ON tutti.timers (due_at);
CREATE INDEX timers_of_job ON tutti.timers (job_id);

CREATE TABLE tutti.events (
  job_id uuid NOT NULL,
  seq    integer NOT NULL,
  at     bigint NOT NULL,
  type   text NOT NULL,
  state  text NOT NULL,
  data   text NOT NULL,
  PRIMARY KEY (job_id, seq)
);

-- Which lines of which log came with which transaction: the order of the feed. A reader sees only transactions older than all that
-- are still under way, so that none can commit in front of what he has read; that is why the transaction comes before the number.
-- The lines of one job are in their order all the same: whoever makes a change has seen the one before it committed, and so
-- begins a transaction with a higher number.
-- A server that the database is restored to counts its transactions from somewhere else: then a new era begins.
CREATE TABLE tutti.era (
  n integer NOT NULL
);
INSERT INTO tutti.era VALUES (1);
CREATE TABLE tutti.feed (
  era         integer NOT NULL,
  xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  id          bigint GENERATED ALWAYS AS IDENTITY,
  stored_at   bigint NOT NULL,
  client      text NOT NULL,
  job_id      uuid NOT NULL,
  -- With the id it tells a job from a later one of the same id.
  job_created bigint NOT NULL,
  first_seq   integer NOT NULL,
  last_seq    integer NOT NULL,
  PRIMARY KEY (era, xid, id)
);
CREATE INDEX feed_of_client ON tutti.feed (client, era, xid, id);

CREATE TABLE tutti.workers (
  id            text PRIMARY KEY,
  boot_id       text,
  skills        text[] NOT NULL,
  info          text NOT NULL,
  -- Fences those who lay something over `info`.
  rev           bigint NOT NULL DEFAULT 1,
  registered_at bigint NOT NULL,
  last_seen_at  bigint NOT NULL,
  expires_at    bigint NOT NULL
);
