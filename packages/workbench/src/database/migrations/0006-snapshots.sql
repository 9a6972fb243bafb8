-- Each run's own snapshot of the workspace; the session's column names the one that the next run begins with.
alter table workbench.runs add column workspace_manifest_key text;
