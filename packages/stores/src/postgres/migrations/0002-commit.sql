-- The two operations that must be one round trip: taking many changes, and handing out tasks.

-- Makes enqueuing and closing tasks of one key take turns: without it, two could each see the other's task as open, and the
-- key would stand still for ever. Keys are locked in one order, after the rows of jobs and open tasks, and before any task
-- that is held back is touched: one who deletes such a task while another is about to open it would leave nothing open.
CREATE FUNCTION tutti.lock_keys(keys text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  each_lock bigint;
BEGIN
  FOR each_lock IN SELECT DISTINCT hashtextextended(key, 0) AS l FROM unnest(keys) AS key ORDER BY l LOOP
    PERFORM pg_advisory_xact_lock(each_lock);
  END LOOP;
END $$;

-- Makes the first held-back task of each key available if no other task of the key is open. Answers their queues.
-- The keys must be locked.
CREATE FUNCTION tutti.open_keys(keys text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  queues text[];
BEGIN
  WITH opened AS (
    UPDATE tutti.tasks t SET state = 'queued'
    FROM (SELECT DISTINCT key FROM unnest(keys) AS key) k
    WHERE t.id = (SELECT f.id FROM tutti.tasks f
                  WHERE f.concurrency_key = k.key AND f.state = 'held_back' ORDER BY f.arrival LIMIT 1)
      AND NOT EXISTS (SELECT FROM tutti.tasks o WHERE o.concurrency_key = k.key AND o.state <> 'held_back')
    RETURNING t.queue
  )
  SELECT coalesce(array_agg(queue), '{}') INTO queues FROM opened;
  RETURN queues;
END $$;

-- Tells every instance. A notification holds 8000 bytes, so long lists of jobs go in several.
CREATE FUNCTION tutti.tell(queues text[], jobs uuid[], revoked json, due_at bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  counts json;
  message text;
  part int := 0;
BEGIN
  SELECT json_object_agg(queue, n) INTO counts FROM (SELECT queue, count(*) AS n FROM unnest(queues) AS queue GROUP BY queue) c;
  IF counts IS NOT NULL OR due_at IS NOT NULL THEN
    message := json_strip_nulls(json_build_object('queues', counts, 'dueAt', due_at))::text;
    PERFORM pg_notify('tutti', CASE WHEN octet_length(message) < 8000 THEN message ELSE '{"resync":true}' END);
  END IF;
  WHILE part < coalesce(array_length(jobs, 1), 0) LOOP
    PERFORM pg_notify('tutti', json_build_object('jobs', to_json(jobs[part + 1 : part + 180]))::text);
    part := part + 180;
  END LOOP;
  FOR part IN 0 .. (coalesce(json_array_length(revoked), 0) - 1) / 20 LOOP
    EXIT WHEN coalesce(json_array_length(revoked), 0) = 0;
    message := json_build_object('revoked',
      (SELECT json_agg(r) FROM (SELECT r FROM json_array_elements(revoked) AS r OFFSET part * 20 LIMIT 20) s))::text;
    -- Names too long to tell: the worker learns it with its next heartbeat. A commit must not fail for it.
    CONTINUE WHEN octet_length(message) >= 8000;
    PERFORM pg_notify('tutti', message);
  END LOOP;
END $$;

-- Takes many changes, each whole or not at all. Column by column, because unnest of arrays costs no JSON parsing.
-- Rows that belong to a change carry its number (from 1). Verdicts: accepted, exists, stale, fenced.
CREATE FUNCTION tutti.commit(
  job_ids uuid[], job_clients text[], job_blueprints text[], job_versions int[], job_statuses text[], job_labels text[], job_created bigint[],
  job_revs bigint[], job_wakes bigint[], job_terminal boolean[], job_bodies text[],
  fence_of int[], fence_tasks text[], fence_tokens text[], answered text[],
  task_of int[], task_ids text[], task_queues text[], task_priorities double precision[], task_keys text[],
  task_attempts int[], task_visible bigint[], task_timeouts bigint[], task_bodies text[],
  requeue_of int[], requeue_tasks text[], requeue_attempts int[], requeue_visible bigint[],
  close_of int[], close_tasks text[],
  timer_of int[], timer_ids text[], timer_jobs uuid[], timer_due bigint[], timer_bodies text[],
  clear_of int[], clear_timers text[],
  event_of int[], event_jobs uuid[], event_seqs int[], event_at bigint[], event_types text[], event_states text[], event_data text[],
  child_of int[], child_ids uuid[], child_clients text[], child_blueprints text[], child_versions int[], child_statuses text[], child_labels text[],
  child_created bigint[], child_wakes bigint[], child_bodies text[],
  OUT verdicts text[], OUT lost text[]
) LANGUAGE plpgsql AS $$
DECLARE
  ok boolean[];
  freed text[];
  keys text[];
  revoked json;
  closing text[];
  ending uuid[];
  clearing text[];
  adopted uuid[] := '{}';
  created uuid[];
BEGIN
  -- One order for everybody (jobs, then open tasks, then keys), so that no two can wait for each other: neither batches with
  -- common jobs, nor a batch of results and a heartbeat of the worker that sent them.
  PERFORM 1 FROM tutti.jobs WHERE id = ANY (job_ids) ORDER BY id FOR UPDATE;
  ending := ARRAY(SELECT c.id FROM unnest(job_ids, job_terminal) AS c (id, terminal) WHERE c.terminal);
  PERFORM 1 FROM tutti.tasks
    WHERE (id = ANY (fence_tasks || close_tasks || requeue_tasks) OR job_id = ANY (ending)) AND state <> 'held_back'
    ORDER BY id FOR UPDATE;

  SELECT array_agg(CASE
      WHEN c.rev = 1 THEN CASE WHEN j.id IS NULL THEN 'accepted' ELSE 'exists' END
      WHEN j.rev = c.rev - 1 THEN 'accepted'
      ELSE 'stale' END ORDER BY c.n)
    INTO verdicts
    FROM unnest(job_ids, job_revs) WITH ORDINALITY AS c (id, rev, n) LEFT JOIN tutti.jobs j USING (id);

  IF cardinality(fence_of) > 0 THEN
    SELECT coalesce(array_agg(f.task), '{}') INTO lost
      FROM unnest(fence_of, fence_tasks, fence_tokens) AS f (n, task, token)
      WHERE verdicts[f.n] = 'accepted'
        AND NOT EXISTS (SELECT FROM tutti.tasks t WHERE t.id = f.task AND t.state = 'leased' AND t.token = f.token);
    IF cardinality(lost) > 0 THEN
      SELECT array_agg(CASE WHEN v = 'accepted' AND EXISTS (
          SELECT FROM unnest(fence_of, fence_tasks) AS f (of, task) WHERE f.of = c.n AND f.task = ANY (lost))
          THEN 'fenced' ELSE v END ORDER BY n)
        INTO verdicts FROM unnest(verdicts) WITH ORDINALITY AS c (v, n);
    END IF;
  END IF;

  -- Two instances may create the same id at once: only one inserts, the other learns that it exists.
  IF EXISTS (SELECT FROM unnest(job_revs, verdicts) AS c (rev, v) WHERE c.rev = 1 AND c.v = 'accepted') THEN
    WITH made AS (
      INSERT INTO tutti.jobs (id, client, blueprint, version, status, labels, created_at, rev, wake_at, body)
      SELECT c.id, c.client, c.blueprint, c.version, c.status, string_to_array(c.labels, E'\x1f'), c.created, c.rev, c.wake, c.body
      FROM unnest(job_ids, job_clients, job_blueprints, job_versions, job_statuses, job_labels, job_created, job_revs, job_wakes, job_bodies, verdicts)
        AS c (id, client, blueprint, version, status, labels, created, rev, wake, body, verdict)
      WHERE c.rev = 1 AND c.verdict = 'accepted'
      ORDER BY c.id
      ON CONFLICT (id) DO NOTHING
      RETURNING id
    )
    SELECT array_agg(id) INTO created FROM made;
    -- Compared only when one is missing: joining what was made to what was asked for cost two thirds of a batch of 500.
    IF cardinality(created) IS DISTINCT FROM
       (SELECT count(*) FROM unnest(job_revs, verdicts) AS c (rev, v) WHERE c.rev = 1 AND c.v = 'accepted') THEN
      SELECT array_agg(CASE WHEN c.rev = 1 AND c.v = 'accepted' AND c.id <> ALL (coalesce(created, '{}')) THEN 'exists' ELSE c.v END ORDER BY c.n)
        INTO verdicts
        FROM unnest(job_ids, job_revs, verdicts) WITH ORDINALITY AS c (id, rev, v, n);
    END IF;
  END IF;

  UPDATE tutti.jobs j SET status = c.status, rev = c.rev, wake_at = c.wake, body = c.body
    FROM unnest(job_ids, job_statuses, job_revs, job_wakes, job_bodies, verdicts) AS c (id, status, rev, wake, body, verdict)
    WHERE j.id = c.id AND c.rev > 1 AND c.verdict = 'accepted';

  SELECT array_agg(v = 'accepted' ORDER BY n) INTO ok FROM unnest(verdicts) WITH ORDINALITY AS c (v, n);

  -- As arrays, because conditions on them can use the indexes: what a commit costs must not grow with the backlog.
  closing := ARRAY(SELECT c.task FROM unnest(close_of, close_tasks) AS c (n, task) WHERE ok[c.n]);
  ending := ARRAY(SELECT c.id FROM unnest(job_ids, job_terminal) WITH ORDINALITY AS c (id, terminal, n) WHERE c.terminal AND ok[c.n]);
  clearing := ARRAY(SELECT c.timer FROM unnest(clear_of, clear_timers) AS c (n, timer) WHERE ok[c.n]);

  keys := ARRAY(
    SELECT t.key FROM unnest(task_of, task_keys) AS t (n, key) WHERE ok[t.n] AND t.key IS NOT NULL
    UNION SELECT t.concurrency_key FROM tutti.tasks t
      WHERE (t.id = ANY (closing) OR t.job_id = ANY (ending)) AND t.concurrency_key IS NOT NULL);
  PERFORM tutti.lock_keys(keys);

  WITH closed AS (
    DELETE FROM tutti.tasks t WHERE t.id = ANY (closing) OR t.job_id = ANY (ending)
    RETURNING t.id, t.job_id, t.worker
  ), again AS (
    SELECT t.id, t.job_id, t.worker, r.attempt, r.visible
    FROM unnest(requeue_of, requeue_tasks, requeue_attempts, requeue_visible) AS r (n, task, attempt, visible)
    JOIN tutti.tasks t ON t.id = r.task
    WHERE ok[r.n] AND NOT EXISTS (SELECT FROM closed WHERE closed.id = t.id)
  ), requeued AS (
    UPDATE tutti.tasks t SET state = 'queued', attempt = a.attempt, visible_at = a.visible,
      worker = NULL, token = NULL, expires_at = NULL, deadline_at = NULL
    FROM again a WHERE t.id = a.id
    RETURNING t.queue, t.visible_at
  )
  SELECT
    (SELECT json_agg(json_build_object('worker', r.worker, 'taskId', r.id, 'jobId', r.job_id)) FROM (
      SELECT id, job_id, worker FROM closed UNION ALL SELECT id, job_id, worker FROM again) r
      WHERE r.worker IS NOT NULL AND r.id <> ALL (answered)),
    (SELECT coalesce(array_agg(queue), '{}') FROM requeued WHERE visible_at <= tutti.now_ms())
    INTO revoked, freed;

  INSERT INTO tutti.tasks (id, job_id, queue, priority, state, concurrency_key, attempt, visible_at, timeout_ms, body)
    SELECT t.id, job_ids[t.n], t.queue, t.priority, CASE WHEN t.key IS NULL THEN 'queued' ELSE 'held_back' END,
           t.key, t.attempt, t.visible, t.timeout, t.body
    FROM unnest(task_of, task_ids, task_queues, task_priorities, task_keys, task_attempts, task_visible, task_timeouts, task_bodies)
      WITH ORDINALITY AS t (n, id, queue, priority, key, attempt, visible, timeout, body, at)
    WHERE ok[t.n] ORDER BY t.at;
  freed := freed || ARRAY(SELECT t.queue FROM unnest(task_of, task_queues, task_keys) AS t (n, queue, key) WHERE ok[t.n] AND t.key IS NULL);
  IF cardinality(keys) > 0 THEN
    freed := freed || tutti.open_keys(keys);
  END IF;

  IF cardinality(child_of) > 0 THEN
    WITH made AS (
      INSERT INTO tutti.jobs (id, client, blueprint, version, status, labels, created_at, rev, wake_at, body)
        SELECT c.id, c.client, c.blueprint, c.version, c.status, string_to_array(c.labels, E'\x1f'), c.created, 1, c.wake, c.body
        FROM unnest(child_of, child_ids, child_clients, child_blueprints, child_versions, child_statuses, child_labels, child_created, child_wakes, child_bodies)
          AS c (n, id, client, blueprint, version, status, labels, created, wake, body)
        WHERE ok[c.n] ON CONFLICT (id) DO NOTHING
      RETURNING id
    )
    -- Children that were there: their log and timers are their own.
    SELECT coalesce(array_agg(c.id), '{}') INTO adopted FROM unnest(child_ids) AS c (id) WHERE c.id NOT IN (SELECT id FROM made);
  END IF;

  DELETE FROM tutti.timers t WHERE t.id = ANY (clearing) OR t.job_id = ANY (ending);
  INSERT INTO tutti.timers (id, job_id, due_at, body)
    SELECT DISTINCT ON (t.id) t.id, t.job, t.due, t.body
    FROM unnest(timer_of, timer_ids, timer_jobs, timer_due, timer_bodies) AS t (n, id, job, due, body)
    WHERE ok[t.n] AND NOT (t.job = ANY (adopted) AND (t.n, t.job) IN (SELECT * FROM unnest(child_of, child_ids)))
    ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, body = excluded.body;

  INSERT INTO tutti.events (job_id, seq, at, type, state, data)
    SELECT e.job, e.seq, e.at, e.type, e.state, e.data
    FROM unnest(event_of, event_jobs, event_seqs, event_at, event_types, event_states, event_data)
      AS e (n, job, seq, at, type, state, data)
    WHERE ok[e.n] AND NOT (e.job = ANY (adopted) AND (e.n, e.job) IN (SELECT * FROM unnest(child_of, child_ids)));

  PERFORM tutti.tell(
    freed,
    (SELECT array_agg(c.id) FROM unnest(job_ids) WITH ORDINALITY AS c (id, n) WHERE ok[c.n]),
    revoked,
    (SELECT min(due) FROM (
      SELECT t.due FROM unnest(timer_of, timer_due) AS t (n, due) WHERE ok[t.n]
      UNION ALL SELECT r.visible FROM unnest(requeue_of, requeue_visible) AS r (n, visible) WHERE ok[r.n]
      UNION ALL SELECT c.wake FROM unnest(job_wakes) WITH ORDINALITY AS c (wake, n) WHERE ok[c.n] AND c.wake IS NOT NULL
      UNION ALL SELECT c.wake FROM unnest(child_of, child_wakes) AS c (n, wake) WHERE ok[c.n]) d));
END $$;

-- Hands out tasks to many polls. For each queue of a poll the best are locked; what was locked but not taken is told of,
-- because a poll that came by in that moment was shown an empty queue.
CREATE FUNCTION tutti.lease_tasks(poll_workers text[], poll_queues text[], poll_max int[], poll_lease_ms bigint[])
RETURNS TABLE (poll int, id text, queue text, priority double precision, concurrency_key text, timeout_ms bigint, attempt int,
               visible_at bigint, token text, expires_at bigint, deadline_at bigint, worker text, body text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  n int;
  now bigint := tutti.now_ms();
  queues text[];
  locked text[];
  taken text[];
BEGIN
  FOR n IN 1 .. coalesce(array_length(poll_workers, 1), 0) LOOP
    queues := string_to_array(poll_queues[n], E'\x1f');
    SELECT array_agg(c.id ORDER BY c.priority DESC, c.arrival) INTO locked
      FROM (SELECT DISTINCT queue FROM unnest(queues) AS queue) s,
      LATERAL (SELECT t.id, t.priority, t.arrival FROM tutti.tasks t
               WHERE t.state = 'queued' AND t.queue = s.queue AND t.visible_at <= now
               ORDER BY t.priority DESC, t.arrival LIMIT poll_max[n] FOR UPDATE SKIP LOCKED) c;
    CONTINUE WHEN locked IS NULL;
    taken := locked[1 : poll_max[n]];
    RETURN QUERY WITH given AS (
      UPDATE tutti.tasks t SET state = 'leased', worker = poll_workers[n], token = gen_random_uuid()::text,
        deadline_at = now + t.timeout_ms,
        expires_at = least(now + poll_lease_ms[n], now + t.timeout_ms)
      WHERE t.id = ANY (taken)
      RETURNING t.*)
      SELECT n, g.id, g.queue, g.priority, g.concurrency_key, g.timeout_ms, g.attempt, g.visible_at,
             g.token, g.expires_at, g.deadline_at, g.worker, g.body
      FROM given g ORDER BY array_position(taken, g.id);
    IF cardinality(locked) > cardinality(taken) THEN
      PERFORM tutti.tell((SELECT array_agg(t.queue) FROM tutti.tasks t WHERE t.id = ANY (locked[poll_max[n] + 1 :])), NULL, NULL, NULL);
    END IF;
  END LOOP;
END $$;
