-- Whether nobody has asked yet for a better title than the first line of the first message. Sessions are asked for once, soon
-- after they were made; the job that does it is the engine's, so nothing else has to be kept here.
alter table workbench.sessions add column title_wanted boolean not null default true;
create index sessions_to_title on workbench.sessions (created_at) where title_wanted;
