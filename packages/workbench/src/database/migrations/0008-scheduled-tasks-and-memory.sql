-- Messages that send themselves, and what agents remember for their owner.

create table workbench.scheduled_tasks (
  id uuid primary key,
  user_id text not null,
  name text not null,
  cron text not null,
  timezone text not null,
  prompt text not null,
  enabled boolean not null,
  reuse_session boolean not null,
  -- Of the session of all its runs: chosen before the first of them, so that two that come at once make one session.
  session_id uuid,
  project_id uuid references workbench.projects on delete set null,
  permission_mode text not null,
  schedule_mode text not null,
  attended boolean not null,
  -- What the message says of its configuration: null in it takes a key out.
  config jsonb not null,
  catch_up text not null,
  catch_up_window_seconds double precision not null,
  overlap text not null check (overlap in ('skip', 'queue', 'allow')),
  -- Of the newest instant: its run, or the queued message that becomes that run; and why there was none.
  last_due_at timestamptz,
  last_run_id uuid,
  last_error text,
  -- Whether the engine's schedule is still to be made, changed or removed.
  unsettled boolean not null default true,
  is_deleted boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index scheduled_tasks_of_user on workbench.scheduled_tasks (user_id, created_at desc, id desc) where not is_deleted;
create index scheduled_tasks_unsettled on workbench.scheduled_tasks (updated_at) where unsettled;

alter table workbench.runs add column scheduled_task_id uuid;
create index runs_of_scheduled_task on workbench.runs (scheduled_task_id, user_message_id) where scheduled_task_id is not null;

alter table workbench.queue_items
  add column schedule_mode text not null default 'immediate',
  add column scheduled_task_id uuid,
  add column attended boolean not null default true;

create table workbench.memories (
  id uuid primary key,
  user_id text not null,
  project_id uuid references workbench.projects on delete cascade,
  text text not null,
  metadata jsonb not null default '{}',
  -- Words, made by the program as those of messages are: no language is preferred.
  search tsvector not null,
  -- Who wrote it first. It outlives the run.
  run_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index memories_of_user on workbench.memories (user_id, created_at desc, id desc);
create index memories_search on workbench.memories using gin (search);

-- It goes with the memory: what somebody wants forgotten stands in it.
create table workbench.memory_changes (
  id bigint generated always as identity primary key,
  memory_id uuid not null references workbench.memories on delete cascade,
  old_text text,
  new_text text not null,
  run_id uuid,
  created_at timestamptz not null default now()
);
create index memory_changes_of_memory on workbench.memory_changes (memory_id, id);

-- How often its agent has changed the memory.
alter table workbench.runs add column memory_writes integer not null default 0;
