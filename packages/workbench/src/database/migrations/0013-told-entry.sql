-- The place in the runtime's record of the conversation up to which the run's log tells it.
alter table workbench.runs add column told_entry text;
