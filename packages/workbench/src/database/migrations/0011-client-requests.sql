-- What was answered to requests that a client named, so that one which is sent again is answered again and done once.
create table workbench.client_requests (
  session_id uuid not null references workbench.sessions on delete cascade,
  kind text not null,
  request_id text not null,
  answer jsonb not null,
  answered_at timestamptz not null default now(),
  primary key (session_id, kind, request_id)
);
