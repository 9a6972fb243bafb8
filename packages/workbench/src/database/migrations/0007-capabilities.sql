-- What users and the operator give to agents. A row without a user is the operator's, and everybody's to use.

-- Sealed with AES-256-GCM under a key made of SECRET_KEY; `key_id` names which, so that keys can be changed.
create table workbench.env_vars (
  id integer generated always as identity primary key,
  user_id text,
  key text not null,
  key_id text not null,
  sealed bytea not null,
  -- Of the operator's: whether the configuration of users may name it.
  shared boolean not null default false,
  description text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index env_vars_by_key on workbench.env_vars (user_id, key) where user_id is not null;
create unique index env_vars_of_system on workbench.env_vars (key) where user_id is null;

create table workbench.mcp_servers (
  id integer generated always as identity primary key,
  user_id text,
  name text not null,
  description text,
  server jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index mcp_servers_by_name on workbench.mcp_servers (user_id, name) where user_id is not null;
create unique index mcp_servers_of_system on workbench.mcp_servers (name) where user_id is null;

-- The files lie as one zip in object storage, under a key that no other row has and that holds the zip's hash.
create table workbench.skills (
  id integer generated always as identity primary key,
  user_id text,
  name text not null,
  description text,
  source text not null check (source in ('manual', 'zip')),
  object_key text not null,
  sha256 text not null,
  -- Path, size, hash and mode of each file.
  files jsonb not null,
  file_count integer not null,
  size bigint not null,
  version text,
  manifest jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index skills_by_name on workbench.skills (user_id, name) where user_id is not null;
create unique index skills_of_system on workbench.skills (name) where user_id is null;

create table workbench.plugins (like workbench.skills including defaults including identity including constraints);
alter table workbench.plugins add primary key (id);
create unique index plugins_by_name on workbench.plugins (user_id, name) where user_id is not null;
create unique index plugins_of_system on workbench.plugins (name) where user_id is null;

create table workbench.skill_installs (
  id integer generated always as identity primary key,
  user_id text not null,
  item_id integer not null references workbench.skills on delete cascade,
  enabled boolean not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index skill_installs_by_item on workbench.skill_installs (user_id, item_id);
create index skill_installs_of_item on workbench.skill_installs (item_id);

create table workbench.mcp_installs (
  id integer generated always as identity primary key,
  user_id text not null,
  item_id integer not null references workbench.mcp_servers on delete cascade,
  enabled boolean not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index mcp_installs_by_item on workbench.mcp_installs (user_id, item_id);
create index mcp_installs_of_item on workbench.mcp_installs (item_id);

create table workbench.plugin_installs (
  id integer generated always as identity primary key,
  user_id text not null,
  item_id integer not null references workbench.plugins on delete cascade,
  enabled boolean not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index plugin_installs_by_item on workbench.plugin_installs (user_id, item_id);
create index plugin_installs_of_item on workbench.plugin_installs (item_id);

create table workbench.slash_commands (
  id integer generated always as identity primary key,
  user_id text not null,
  name text not null,
  mode text not null check (mode in ('raw', 'structured')),
  enabled boolean not null,
  description text,
  argument_hint text,
  allowed_tools text,
  content text,
  raw_markdown text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index slash_commands_by_name on workbench.slash_commands (user_id, name);

create table workbench.subagents (
  id integer generated always as identity primary key,
  user_id text not null,
  name text not null,
  mode text not null check (mode in ('raw', 'structured')),
  enabled boolean not null,
  description text,
  prompt text,
  tools text[],
  model text,
  raw_markdown text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index subagents_by_name on workbench.subagents (user_id, name);

create table workbench.claude_md (
  user_id text primary key,
  enabled boolean not null,
  content text not null,
  updated_at timestamptz not null default now()
);

create table workbench.presets (
  id integer generated always as identity primary key,
  user_id text not null,
  name text not null,
  description text,
  visual_key text,
  prompt_template text,
  model text,
  tools text[],
  browser_enabled boolean not null,
  memory_enabled boolean not null,
  -- Of what is gone meanwhile nothing is left but the number, which then names nothing.
  skill_ids integer[] not null,
  mcp_server_ids integer[] not null,
  plugin_ids integer[] not null,
  subagent_configs jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index presets_by_name on workbench.presets (user_id, name);

alter table workbench.projects
  add column default_preset_id integer references workbench.presets on delete set null;
create index projects_by_preset on workbench.projects (default_preset_id) where default_preset_id is not null;
