-- Where a model of embeddings is configured, memories are also found by what they mean.
alter table workbench.memories
  -- A signed byte for each dimension.
  add column embedding bytea,
  -- The model whose vector it is; null while there is none of this text by the present model.
  add column embedded_by text,
  -- Not before: set ahead by the process that is at it, and after a failure.
  add column embed_at timestamptz not null default now(),
  add column embed_tries integer not null default 0;
create index memories_to_embed on workbench.memories (embed_at) where embedded_by is null;

-- Such a call is a user's, and may be in no session.
alter table workbench.model_calls alter column session_id drop not null;
alter table workbench.model_calls drop constraint model_calls_purpose_check;
alter table workbench.model_calls add constraint model_calls_purpose_check check (purpose in ('turn', 'title', 'memory'));
