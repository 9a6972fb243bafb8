-- What users upload, to send it with a message or to keep it in a project. A row is there before the first byte is
-- stored and goes after the last one: whatever lies in object storage below `attachments/` is known here.

create table workbench.uploads (
  key text primary key,
  user_id text not null,
  name text not null,
  content_type text not null,
  -- Null until all of it is stored.
  size bigint,
  sha256 text,
  -- Whether a message names it: then it stays, for the conversation shows it.
  in_message boolean not null default false,
  -- Since when nothing names it, where nothing does.
  idle_since timestamptz not null default now(),
  created_at timestamptz not null default now()
);
create index uploads_idle on workbench.uploads (idle_since) where not in_message;

create table workbench.project_files (
  id bigint generated always as identity primary key,
  project_id uuid not null references workbench.projects on delete cascade,
  key text not null references workbench.uploads,
  file_name text not null,
  sort_order integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (project_id, key)
);
create index project_files_by_upload on workbench.project_files (key);
