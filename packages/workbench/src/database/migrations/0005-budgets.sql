-- What agents have used up, call by call, and how much they may. Nothing here refers to sessions or runs by foreign key:
-- deleting a session must not give its owner's money back.

-- The ledger, and the only account of what is used: all that shows or limits use reads it, or its sums. A call is known by its number
-- within the hand-out, which the lease's token names; a call of the workbench's own has a token of its own, and no run.
create table workbench.model_calls (
  run_id uuid,
  lease_token text not null,
  n integer not null,
  attempt integer not null default 1,
  purpose text not null default 'turn' check (purpose in ('turn', 'title')),
  session_id uuid not null,
  -- The sessions that this one was branched from: their budgets count the call too.
  ancestors uuid[] not null default '{}',
  user_id text not null,
  project_id text,
  -- Of its beginning, in the installation's time zone: '2026-11'.
  month text not null,
  model text not null,
  provider text not null,
  -- `lost`: its holder has gone without telling how it ended; what it had sent counts.
  state text not null default 'open' check (state in ('open', 'ended', 'lost')),
  -- The most that it may use: held back from budgets while it is open and its run is held.
  most_input_tokens bigint not null,
  most_output_tokens bigint not null,
  most_cost_usd numeric,
  -- What counts: nothing while it is open.
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cache_creation_input_tokens bigint not null default 0,
  cache_read_input_tokens bigint not null default 0,
  cost_usd numeric,
  status integer,
  complete boolean,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (lease_token, n)
);
create index model_calls_open on workbench.model_calls (user_id) where state = 'open';
create index model_calls_of_session on workbench.model_calls (session_id, started_at);
create index model_calls_of_run on workbench.model_calls (run_id);

-- How long each hand-out was at work.
create table workbench.work_times (
  run_id uuid not null,
  lease_token text not null,
  wall_ms bigint not null,
  primary key (run_id, lease_token)
);

-- The ledger's sums, one row for each of whose use is added up: a budget is decided on without reading a month's calls.
-- `period` is empty for all time, a month, or (of a user) a quarter of an hour, from which days and hours of any time zone are added up.
-- `lineage` is a session with all that was branched from it. The rows are also what decisions lock, in the order of the primary key.
create table workbench.spent (
  scope text not null check (scope in ('run', 'session', 'lineage', 'user', 'project', 'all')),
  scope_id text not null,
  period text not null,
  calls bigint not null default 0,
  -- Runs by their first call.
  runs bigint not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cache_creation_input_tokens bigint not null default 0,
  cache_read_input_tokens bigint not null default 0,
  cost_usd numeric not null default 0,
  wall_ms bigint not null default 0,
  primary key (scope, scope_id, period)
);

create table workbench.budgets (
  scope text not null check (scope in ('session', 'user', 'project', 'all')),
  scope_id text not null,
  period text not null check (period in ('total', 'month')),
  set_by text not null check (set_by in ('owner', 'operator')),
  tokens bigint,
  cost_usd double precision,
  wall_seconds double precision,
  updated_at timestamptz not null default now(),
  primary key (scope, scope_id, period, set_by)
);
