-- Who answered: the user, or whom a link was for.
alter table workbench.user_input_requests add column answered_by text;

-- Whose budgets a session's use counts to beside its own, and whose use the run of a branch shows.
alter table workbench.sessions
  -- The sessions that it was branched from, nearest first: a fork is no way around a limit.
  add column ancestors uuid[] not null default '{}';
alter table workbench.runs
  -- The run whose copy it is. What was used is in the ledger once, under that one.
  add column copied_from uuid,
  -- The session of that run: what lies under its name, as pictures do, is found there.
  add column copied_from_session uuid;
alter table workbench.runs
  -- The job that wanted an agent, where the run's own job is its child.
  add column asked_by uuid;
create index runs_asked on workbench.runs (asked_by) where asked_by is not null;
create index runs_copied on workbench.runs (session_id) where copied_from is not null;
