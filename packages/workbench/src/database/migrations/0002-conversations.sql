-- What people do with sessions: projects, pins, messages typed while the agent is busy, forks, and search.

create table workbench.projects (
  id uuid primary key,
  user_id text not null,
  name text not null,
  description text,
  default_model text,
  repo_url text,
  git_branch text,
  git_token_env_key text,
  is_deleted boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index projects_of_user on workbench.projects (user_id, created_at desc, id desc) where not is_deleted;

alter table workbench.sessions
  add column project_id uuid references workbench.projects on delete set null,
  add column is_pinned boolean not null default false,
  add column pinned_at timestamptz,
  add column kind text not null default 'chat' check (kind in ('chat', 'scheduled')),
  -- Where it was begun, in its client's words.
  add column origin text,
  add column is_deleted boolean not null default false,
  add column search tsvector;
create index sessions_search on workbench.sessions using gin (search);
create index sessions_of_project on workbench.sessions (project_id) where project_id is not null;

alter table workbench.messages
  add column updated_at timestamptz not null default now(),
  -- Words of the visible text, made by the program: PostgreSQL's own parser keeps `a.b` and whole Chinese sentences as one word.
  add column search tsvector;
create index messages_search on workbench.messages using gin (search);

alter table workbench.runs
  drop constraint runs_status_check,
  add constraint runs_status_check check (
    status in ('queued', 'claimed', 'running', 'waiting', 'completed', 'failed', 'canceling', 'canceled')),
  add column schedule_mode text not null default 'immediate',
  add column scheduled_at timestamptz not null default now(),
  add column state_patch jsonb not null default '{}',
  -- The agent's conversation and the workspace as this run left them: what a fork of the session goes on from.
  add column sdk_session_id text,
  add column workspace_files_prefix text,
  add column workspace_manifest_key text,
  -- The snapshot that its first attempt began with: a turn that is taken again begins with it as well.
  add column base_manifest_key text;

-- Messages that wait for the turn before them. The item's id becomes the id of its run, so it can't be promoted twice.
create table workbench.queue_items (
  id uuid primary key,
  session_id uuid not null references workbench.sessions on delete cascade,
  sequence_no bigint not null,
  status text not null check (status in ('queued', 'paused', 'promoted', 'canceled')),
  prompt text not null,
  permission_mode text not null,
  config jsonb not null,
  client_request_id text,
  linked_run_id uuid,
  linked_user_message_id bigint,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (session_id, sequence_no)
);
create unique index queue_items_by_request on workbench.queue_items (session_id, client_request_id)
  where client_request_id is not null;
create index queue_items_open on workbench.queue_items (session_id, sequence_no) where status in ('queued', 'paused');

-- Deltas read on from (updated_at, id).
create index tool_executions_changed on workbench.tool_executions (session_id, updated_at, id);
create index tool_executions_of_run_changed on workbench.tool_executions (run_id, updated_at, id);
