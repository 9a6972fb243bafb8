-- Sessions, their runs and messages, what tools did, and the session's log.
-- Whoever writes anything of a session holds the lock of its row in `sessions`: this is what makes `seq` gapless
-- and makes the order of commits the order of the log.

create table workbench.sessions (
  id uuid primary key,
  user_id text not null,
  title text,
  status text not null check (status in ('pending', 'running', 'completed', 'failed', 'canceling', 'canceled')),
  sdk_session_id text,
  config_snapshot jsonb,
  state_patch jsonb not null default '{}',
  workspace_export_status text check (workspace_export_status in ('pending', 'ready', 'failed')),
  workspace_files_prefix text,
  workspace_manifest_key text,
  seq bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index sessions_of_user on workbench.sessions (user_id, created_at desc, id desc);

create table workbench.messages (
  id bigint generated always as identity primary key,
  session_id uuid not null references workbench.sessions on delete cascade,
  run_id uuid not null,
  role text not null check (role in ('user', 'assistant', 'system')),
  content jsonb not null,
  text_preview text,
  created_at timestamptz not null default now()
);
create index messages_of_session on workbench.messages (session_id, id);

create table workbench.runs (
  id uuid primary key,
  session_id uuid not null references workbench.sessions on delete cascade,
  user_id text not null,
  user_message_id bigint not null references workbench.messages on delete cascade,
  client_request_id text,
  prompt text not null,
  permission_mode text not null,
  config jsonb not null default '{}',
  status text not null
    check (status in ('queued', 'claimed', 'running', 'completed', 'failed', 'canceling', 'canceled')),
  -- The engine's side: the job (its id is the run's own unless a blueprint asked for the run) and the job's task.
  job_id uuid not null,
  job_created_at timestamptz,
  task_id text unique,
  -- The holder. `lease_token` is the engine's fencing token; it stays after the end, so that a repeated finish is known.
  attempt integer not null default 0,
  claimed_by text,
  lease_token text,
  -- Highest number of this attempt's events that is stored.
  received_n integer not null default 0,
  -- What the engine is to be told; `reported_at` when it was.
  outcome jsonb,
  reported_at timestamptz,
  last_error text,
  model text,
  sandbox text,
  workspace_export_status text check (workspace_export_status in ('pending', 'ready', 'failed')),
  -- When an unfinished or unreported run is next compared with the engine; null once there is nothing left to compare.
  check_at timestamptz default now(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz
);
create index runs_of_job on workbench.runs (job_id);
create index runs_of_session on workbench.runs (session_id, user_message_id);
create unique index runs_by_request on workbench.runs (user_id, client_request_id) where client_request_id is not null;
create index runs_to_check on workbench.runs (check_at) where check_at is not null;

create table workbench.tool_executions (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null references workbench.sessions on delete cascade,
  run_id uuid not null references workbench.runs on delete cascade,
  attempt integer not null,
  tool_use_id text not null,
  tool_name text not null,
  tool_input jsonb not null,
  tool_output jsonb,
  is_error boolean not null default false,
  duration_ms bigint,
  finished boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (run_id, tool_use_id)
);
create index tool_executions_in_order on workbench.tool_executions (session_id, created_at, id);
create index tool_executions_unfinished on workbench.tool_executions (run_id) where not finished;

create table workbench.session_events (
  session_id uuid not null references workbench.sessions on delete cascade,
  seq bigint not null,
  type text not null,
  data jsonb not null,
  at timestamptz not null default now(),
  primary key (session_id, seq)
);
