-- Jobs, tasks, timers, logs and workers of the engine.
-- Instants are milliseconds since the epoch on this server's clock. Bodies are JSON kept as text: nothing here looks into
-- them, text takes what jsonb refuses (\u0000), and storing it costs no parsing.

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
  body       text NOT NULL
);
CREATE INDEX jobs_newest ON tutti.jobs (client, created_at DESC, id DESC);
CREATE INDEX jobs_by_status ON tutti.jobs (status, created_at DESC, id DESC);
-- Partial: an empty list would still cost every job an entry.
CREATE INDEX jobs_by_label ON tutti.jobs USING gin (labels) WHERE labels <> '{}';
CREATE INDEX jobs_waking ON tutti.jobs (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE tutti.tasks (
  id              text PRIMARY KEY,
  job_id          uuid NOT NULL,
  queue           text NOT NULL,
  priority        double precision NOT NULL,
  -- Order of arrival: the tie-break among equal priorities.
  arrival         bigint GENERATED ALWAYS AS IDENTITY,
  -- held_back: another task of its key comes first.
  state           text NOT NULL CHECK (state IN ('queued', 'held_back', 'leased')),
  concurrency_key text,
  attempt         integer NOT NULL,
  visible_at      bigint NOT NULL,
  worker          text,
  token           text,
  expires_at      bigint,
  deadline_at     bigint,
  timeout_ms      bigint,
  body            text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX tasks_queue ON tutti.tasks (queue, priority DESC, arrival) WHERE state = 'queued';
CREATE INDEX tasks_delayed ON tutti.tasks (visible_at) WHERE state = 'queued' AND attempt > 1;
CREATE INDEX tasks_leased ON tutti.tasks (expires_at) WHERE state = 'leased';
CREATE INDEX tasks_held ON tutti.tasks (worker) WHERE state = 'leased';
CREATE INDEX tasks_of_job ON tutti.tasks (job_id);
CREATE INDEX tasks_of_key ON tutti.tasks (concurrency_key, state, arrival) WHERE concurrency_key IS NOT NULL;

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

CREATE TABLE tutti.workers (
  id            text PRIMARY KEY,
  boot_id       text,
  skills        text[] NOT NULL,
  info          text NOT NULL,
  registered_at bigint NOT NULL,
  last_seen_at  bigint NOT NULL,
  expires_at    bigint NOT NULL
);
