-- What is said to a run while it goes on, and where its session's workspace is warm.

-- Said to a run while it goes on, numbered within the run. Kept until the runtime has taken it in; a try that dies after that has taken it
-- with it, so the next try of the same task is told again. What the end of the run
-- overtakes becomes the session's next message, under the command's own id, so that making it again finds it made.
create table workbench.commands (
  id uuid primary key,
  run_id uuid not null references workbench.runs on delete cascade,
  session_id uuid not null references workbench.sessions on delete cascade,
  n integer not null,
  type text not null check (type in ('message', 'interrupt')),
  text text,
  client_request_id text,
  created_at timestamptz not null default now(),
  taken_at timestamptz,
  -- The engine's task whose try took it in.
  taken_task text,
  -- Whether it stands in the conversation: it does once, however often it has to be said.
  shown boolean not null default false,
  overtaken boolean not null default false,
  unique (run_id, n)
);
create unique index commands_by_request on workbench.commands (session_id, client_request_id)
  where client_request_id is not null;
create index commands_of_session on workbench.commands (session_id);

-- The manager that had the session's last run, and so has its workspace on its host.
alter table workbench.sessions add column warm_worker text;
create index runs_held on workbench.runs (claimed_by) where status in ('claimed', 'running', 'canceling');
