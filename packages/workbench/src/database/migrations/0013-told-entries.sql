-- Where the agent's own record of the conversation has what the line tells.
alter table workbench.session_events add column entry text;
