-- What agents want of a person, and runs that wait for it with no sandbox alive.

create table workbench.user_input_requests (
  id uuid primary key,
  session_id uuid not null references workbench.sessions on delete cascade,
  run_id uuid not null references workbench.runs on delete cascade,
  user_id text not null,
  kind text not null check (kind in ('question', 'plan', 'permission')),
  tool_use_id text not null,
  tool_name text not null,
  tool_input jsonb not null,
  -- Which parking of the run it belongs to, from 1: they are answered together.
  park integer not null,
  status text not null default 'pending' check (status in ('pending', 'answered', 'expired')),
  -- As it was sent, for people; and as the agent gets it.
  answers jsonb,
  answer jsonb,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  answered_at timestamptz,
  unique (run_id, tool_use_id)
);
create index user_input_requests_pending on workbench.user_input_requests (user_id, session_id, created_at)
  where status = 'pending';

alter table workbench.runs
  add column attended boolean not null default false,
  -- Tries of the engine's present task; `attempt` counts hand-outs over all tasks of the run.
  add column task_attempt integer not null default 0,
  -- What a run that is in nobody's hands waits for: {reason, until}. Null while it is worked on, or waits for a manager only.
  add column park jsonb,
  -- How often it was parked.
  add column parks integer not null default 0;
