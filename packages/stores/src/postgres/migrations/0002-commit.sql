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

-- The turn of a task that comes to wait: behind the last one of its fair key, and for a key without any, beside the first in line.
-- Some that wait for their next try may stand at the head since long ago; a few are looked past, because what this costs must not grow.
-- Two who ask at once may get the same turn, which does no harm.
CREATE FUNCTION tutti.next_turn(of_queue text, of_priority double precision, of_fair_key text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  mine bigint;
  first bigint;
  now bigint := tutti.now_ms();
BEGIN
  SELECT turn + 1 INTO mine FROM tutti.tasks
    WHERE state = 'queued' AND queue = of_queue AND priority = of_priority AND fair_key = of_fair_key
    ORDER BY -turn LIMIT 1;
  SELECT coalesce(min(turn) FILTER (WHERE visible_at <= now), max(turn)) INTO first FROM (
    SELECT turn, visible_at FROM tutti.tasks WHERE state = 'queued' AND queue = of_queue AND priority = of_priority
    ORDER BY turn, arrival LIMIT 10) f;
  RETURN greatest(mine, first, 0);
END $$;

-- Makes as many held-back tasks of each key available as fit: each one's own limit counts when it is the first in line.
-- Answers their queues. The keys must be locked.
CREATE FUNCTION tutti.open_keys(keys text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  each_key text;
  task record;
  open bigint;
  now bigint := tutti.now_ms();
  freed text[] := '{}';
BEGIN
  FOR each_key IN SELECT DISTINCT key FROM unnest(keys) AS key LOOP
    open := NULL;
    FOR task IN
      SELECT t.id, t.queue, t.priority, t.fair_key, t.concurrency_limit, t.visible_at FROM tutti.tasks t
      WHERE t.concurrency_key = each_key AND t.state = 'held_back' ORDER BY t.arrival
    LOOP
      IF open IS NULL THEN
        SELECT count(*) INTO open FROM tutti.tasks t
          WHERE t.concurrency_key = each_key AND t.state IN ('queued', 'leased') AND t.worker IS DISTINCT FROM '';
      END IF;
      EXIT WHEN open >= task.concurrency_limit;
      -- It may have been given up in this moment, because nobody picked it up.
      UPDATE tutti.tasks t SET state = 'queued', turn = coalesce(t.turn, tutti.next_turn(task.queue, task.priority, task.fair_key))
        WHERE t.id = task.id AND t.state = 'held_back';
      CONTINUE WHEN NOT FOUND;
      open := open + 1;
      IF task.visible_at <= now THEN
        freed := freed || task.queue;
      END IF;
    END LOOP;
  END LOOP;
  RETURN freed;
END $$;

-- Tells every instance. A notification holds 8000 bytes, so what is longer goes in several.
CREATE FUNCTION tutti.tell(queues text[], jobs uuid[], revoked json, due_at bigint, records text[] = NULL, workers text[] = NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  entry text;
  part text := NULL;
  message text;
  at int := 0;
BEGIN
  IF cardinality(queues) > 0 THEN
    FOR entry IN
      SELECT to_json(coalesce(q.name, c.queue))::text || ':' || c.n
      FROM (SELECT queue, count(*) AS n FROM unnest(queues) AS queue GROUP BY queue) c
      LEFT JOIN tutti.queues q ON q.queue = c.queue AND q.name IS NOT NULL
    LOOP
      IF octet_length(entry) > 7900 THEN
        PERFORM pg_notify('tutti', '{"resync":true}');
        CONTINUE;
      END IF;
      IF octet_length(part) + octet_length(entry) > 7900 THEN
        PERFORM pg_notify('tutti', '{"queues":{' || part || '}}');
        part := NULL;
      END IF;
      part := concat_ws(',', part, entry);
    END LOOP;
  END IF;
  IF part IS NOT NULL THEN
    PERFORM pg_notify('tutti', '{"queues":{' || part || '}}');
  END IF;
  IF due_at IS NOT NULL OR records IS NOT NULL OR workers IS NOT NULL THEN
    message := json_strip_nulls(json_build_object('dueAt', due_at, 'records', to_json(records), 'workers', to_json(workers)))::text;
    PERFORM pg_notify('tutti', CASE WHEN octet_length(message) < 8000 THEN message ELSE '{"resync":true}' END);
  END IF;
  WHILE at < coalesce(array_length(jobs, 1), 0) LOOP
    PERFORM pg_notify('tutti', json_build_object('jobs', to_json(jobs[at + 1 : at + 180]))::text);
    at := at + 180;
  END LOOP;
  FOR at IN 0 .. (coalesce(json_array_length(revoked), 0) - 1) / 20 LOOP
    EXIT WHEN coalesce(json_array_length(revoked), 0) = 0;
    message := json_build_object('revoked',
      (SELECT json_agg(r) FROM (SELECT r FROM json_array_elements(revoked) AS r OFFSET at * 20 LIMIT 20) s))::text;
    -- Names too long to tell: the worker learns it with its next heartbeat. A commit must not fail for it.
    CONTINUE WHEN octet_length(message) >= 8000;
    PERFORM pg_notify('tutti', message);
  END LOOP;
END $$;

-- Notes the queues that tasks go to. The lock, which all share, tells those who forget queues (see upkeep.ts) when everybody has
-- ended who might have missed that a queue is fading.
CREATE FUNCTION tutti.note_queues(names text[], full_names text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('tutti.queues', 0));
  INSERT INTO tutti.queues (queue, name)
    SELECT n.queue, n.name FROM (SELECT DISTINCT queue, name FROM unnest(names, full_names) AS given (queue, name)) n
    WHERE NOT EXISTS (SELECT FROM tutti.queues q WHERE q.queue = n.queue AND NOT q.fading)
    ORDER BY n.queue
    ON CONFLICT (queue) DO UPDATE SET fading = false;
END $$;

-- Takes many changes, each whole or not at all. Column by column, because unnest of arrays costs no JSON parsing.
-- Rows that belong to a change carry its number (from 1). Verdicts: accepted, exists, stale, fenced.
-- A change alone costs what beginning its statements costs: those that have nothing to do are not begun, and none is planned anew for
-- the lists it is given, which was a fifth of the whole.
CREATE FUNCTION tutti.commit(
  job_ids uuid[], job_clients text[], job_blueprints text[], job_versions int[], job_statuses text[], job_labels text[], job_created bigint[],
  job_revs bigint[], job_wakes bigint[], job_terminal boolean[], job_finished bigint[], job_bodies text[],
  -- The lines of the log that the change brings; null: none.
  job_first_seqs int[], job_last_seqs int[],
  fence_of int[], fence_tasks text[], fence_tokens text[], answered text[],
  task_of int[], task_ids text[], task_queues text[], task_queue_names text[], task_priorities double precision[], task_fair_keys text[],
  task_keys text[], task_limits int[], task_attempts int[], task_visible bigint[], task_pickups bigint[], task_timeouts bigint[],
  task_bodies text[],
  requeue_of int[], requeue_tasks text[], requeue_attempts int[], requeue_visible bigint[], requeue_pickups bigint[],
  requeue_queues text[], requeue_queue_names text[],
  close_of int[], close_tasks text[],
  timer_of int[], timer_ids text[], timer_jobs uuid[], timer_due bigint[], timer_bodies text[],
  clear_of int[], clear_timers text[],
  -- The job is named where it is a child.
  event_of int[], event_jobs uuid[], event_seqs int[], event_at bigint[], event_types text[], event_states text[], event_data text[],
  child_of int[], child_ids uuid[], child_clients text[], child_blueprints text[], child_versions int[], child_statuses text[], child_labels text[],
  child_created bigint[], child_wakes bigint[], child_bodies text[], child_first_seqs int[], child_last_seqs int[],
  record_of int[], record_kinds text[], record_ids text[], record_owners text[], record_refs text[], record_due bigint[],
  record_expires bigint[], record_bodies text[],
  -- The earliest instant that any of the changes sets: should that one be refused, somebody looks in vain.
  due_at bigint,
  OUT verdicts text[], OUT lost text[]
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  ok boolean[];
  freed text[] := '{}';
  keys text[];
  revoked json;
  closing text[];
  ending uuid[];
  clearing text[];
  adopted uuid[] := '{}';
  created uuid[];
  kinds text[];
  now bigint;
  touches_tasks boolean;
BEGIN
  -- One order for everybody (jobs, then open tasks, keys, names of queues, records), so that no two can wait for each other: neither batches with
  -- common jobs, nor a batch of results and a heartbeat of the worker that sent them.
  PERFORM 1 FROM tutti.jobs WHERE id = ANY (job_ids) ORDER BY id FOR UPDATE;
  ending := ARRAY(SELECT c.id FROM unnest(job_ids, job_terminal) AS c (id, terminal) WHERE c.terminal);
  touches_tasks := cardinality(fence_tasks || close_tasks || requeue_tasks) > 0 OR cardinality(ending) > 0;
  IF touches_tasks THEN
    PERFORM 1 FROM tutti.tasks
      WHERE (id = ANY (fence_tasks || close_tasks || requeue_tasks) OR job_id = ANY (ending)) AND state <> 'held_back'
      ORDER BY id FOR UPDATE;
  END IF;

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
  IF 1 = ANY (job_revs) THEN
    WITH made AS (
      INSERT INTO tutti.jobs (id, client, blueprint, version, status, labels, created_at, rev, wake_at, finished_at, body)
      SELECT c.id, c.client, c.blueprint, c.version, c.status, string_to_array(c.labels, E'\x1f'), c.created, c.rev, c.wake, c.finished, c.body
      FROM unnest(job_ids, job_clients, job_blueprints, job_versions, job_statuses, job_labels, job_created, job_revs, job_wakes, job_finished,
                  job_bodies, verdicts)
        AS c (id, client, blueprint, version, status, labels, created, rev, wake, finished, body, verdict)
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

  IF 1 < ANY (job_revs) THEN
    UPDATE tutti.jobs j SET status = c.status, labels = string_to_array(c.labels, E'\x1f'), rev = c.rev, wake_at = c.wake,
        finished_at = c.finished, body = c.body
      FROM unnest(job_ids, job_statuses, job_labels, job_revs, job_wakes, job_finished, job_bodies, verdicts)
        AS c (id, status, labels, rev, wake, finished, body, verdict)
      WHERE j.id = c.id AND c.rev > 1 AND c.verdict = 'accepted';
  END IF;

  SELECT array_agg(v = 'accepted' ORDER BY n) INTO ok FROM unnest(verdicts) WITH ORDINALITY AS c (v, n);

  -- As arrays, because conditions on them can use the indexes: what a commit costs must not grow with the backlog.
  closing := ARRAY(SELECT c.task FROM unnest(close_of, close_tasks) AS c (n, task) WHERE ok[c.n]);
  ending := ARRAY(SELECT c.id FROM unnest(job_ids, job_terminal) WITH ORDINALITY AS c (id, terminal, n) WHERE c.terminal AND ok[c.n]);
  clearing := ARRAY(SELECT c.timer FROM unnest(clear_of, clear_timers) AS c (n, timer) WHERE ok[c.n]);

  IF touches_tasks OR cardinality(task_of) > 0 THEN
    keys := ARRAY(
      SELECT t.key FROM unnest(task_of, task_keys) AS t (n, key) WHERE ok[t.n] AND t.key IS NOT NULL
      UNION SELECT t.concurrency_key FROM tutti.tasks t
        WHERE (t.id = ANY (closing) OR t.job_id = ANY (ending)) AND t.concurrency_key IS NOT NULL
      UNION SELECT t.concurrency_key FROM tutti.tasks t
        WHERE t.id = ANY (requeue_tasks) AND t.worker = '' AND t.concurrency_key IS NOT NULL);
    PERFORM tutti.lock_keys(keys);
  END IF;
  -- Read once, and not before all locks are held: for each row it cost more than the row's own place in an index.
  now := tutti.now_ms();
  IF cardinality(task_of) > 0 OR cardinality(requeue_of) > 0 THEN
    PERFORM tutti.note_queues(
      ARRAY(SELECT t.queue FROM unnest(task_of, task_queues) AS t (n, queue) WHERE ok[t.n])
        || ARRAY(SELECT r.queue FROM unnest(requeue_of, requeue_queues) AS r (n, queue) WHERE ok[r.n] AND r.queue IS NOT NULL),
      ARRAY(SELECT t.name FROM unnest(task_of, task_queue_names) AS t (n, name) WHERE ok[t.n])
        || ARRAY(SELECT r.name FROM unnest(requeue_of, requeue_queues, requeue_queue_names) AS r (n, queue, name)
                 WHERE ok[r.n] AND r.queue IS NOT NULL));
  END IF;

  IF touches_tasks THEN
    WITH closed AS (
      DELETE FROM tutti.tasks t WHERE t.id = ANY (closing) OR t.job_id = ANY (ending)
      RETURNING t.id, t.job_id, t.worker
    ), again AS (
      SELECT t.id, t.job_id, t.worker, r.attempt, r.visible, r.pickup,
             -- Its place may have gone to another one: it gets in line again, where it was.
             t.concurrency_key IS NOT NULL AND (t.worker = '' OR t.state = 'held_back') AS in_line,
             CASE WHEN r.queue <> t.queue THEN r.queue END AS queue, r.queue_name
      FROM unnest(requeue_of, requeue_tasks, requeue_attempts, requeue_visible, requeue_pickups, requeue_queues, requeue_queue_names)
        AS r (n, task, attempt, visible, pickup, queue, queue_name)
      JOIN tutti.tasks t ON t.id = r.task
      WHERE ok[r.n] AND NOT EXISTS (SELECT FROM closed WHERE closed.id = t.id)
    ), requeued AS (
      UPDATE tutti.tasks t SET state = CASE WHEN a.in_line THEN 'held_back' ELSE 'queued' END,
        attempt = a.attempt, visible_at = a.visible, pickup_by = a.pickup, waiting_since = now,
        queue = coalesce(a.queue, t.queue), queue_name = CASE WHEN a.queue IS NULL THEN t.queue_name ELSE a.queue_name END,
        -- Turns of different queues have nothing to do with each other.
        turn = CASE WHEN a.queue IS NULL THEN t.turn WHEN NOT a.in_line THEN tutti.next_turn(a.queue, t.priority, t.fair_key) END,
        worker = NULL, token = NULL, expires_at = NULL, deadline_at = NULL
      FROM again a WHERE t.id = a.id
      RETURNING t.queue, t.visible_at, t.state
    )
    SELECT
      (SELECT json_agg(json_build_object('worker', r.worker, 'taskId', r.id, 'jobId', r.job_id)) FROM (
        SELECT id, job_id, worker FROM closed UNION ALL SELECT id, job_id, worker FROM again) r
        WHERE r.worker <> '' AND NOT EXISTS (SELECT FROM unnest(answered) AS a (id) WHERE a.id = r.id)),
      (SELECT coalesce(array_agg(queue), '{}') FROM requeued WHERE state = 'queued' AND visible_at <= now)
      INTO revoked, freed;
  END IF;

  IF cardinality(task_of) > 0 THEN
    INSERT INTO tutti.tasks (id, job_id, queue, queue_name, priority, fair_key, turn, state, concurrency_key, concurrency_limit, attempt,
                             visible_at, pickup_by, waiting_since, timeout_ms, body)
      SELECT t.id, job_ids[t.n], t.queue, t.queue_name, t.priority, t.fair_key,
             -- Asked for once for all of a fair key; without joins, which a batch of many keys would make expensive.
             max(t.first_turn) OVER (PARTITION BY t.key IS NULL, t.queue, t.priority, t.fair_key) + t.nth,
             CASE WHEN t.key IS NULL THEN 'queued' ELSE 'held_back' END,
             t.key, t.key_limit, t.attempt, t.visible, t.pickup, now, t.timeout, t.body
      FROM (
        SELECT r.*, CASE WHEN r.key IS NULL AND r.nth = 0 THEN tutti.next_turn(r.queue, r.priority, r.fair_key) END AS first_turn
        FROM (
          SELECT t.*, row_number() OVER (PARTITION BY t.key IS NULL, t.queue, t.priority, t.fair_key ORDER BY t.at) - 1 AS nth
          FROM unnest(task_of, task_ids, task_queues, task_queue_names, task_priorities, task_fair_keys, task_keys, task_limits,
                      task_attempts, task_visible, task_pickups, task_timeouts, task_bodies)
            WITH ORDINALITY AS t (n, id, queue, queue_name, priority, fair_key, key, key_limit, attempt, visible, pickup, timeout, body, at)
          WHERE ok[t.n]) r) t
      ORDER BY t.at;
    freed := freed || ARRAY(SELECT t.queue FROM unnest(task_of, task_queues, task_keys) AS t (n, queue, key) WHERE ok[t.n] AND t.key IS NULL);
  END IF;
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

  IF cardinality(clearing) > 0 OR cardinality(ending) > 0 THEN
    DELETE FROM tutti.timers t WHERE t.id = ANY (clearing) OR t.job_id = ANY (ending);
  END IF;
  IF cardinality(timer_of) > 0 THEN
    INSERT INTO tutti.timers (id, job_id, due_at, body)
      SELECT DISTINCT ON (t.id) t.id, t.job, t.due, t.body
      FROM unnest(timer_of, timer_ids, timer_jobs, timer_due, timer_bodies) AS t (n, id, job, due, body)
      WHERE ok[t.n] AND NOT (t.job = ANY (adopted) AND (t.n, t.job) IN (SELECT * FROM unnest(child_of, child_ids)))
      ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, body = excluded.body;
  END IF;

  INSERT INTO tutti.events (job_id, seq, at, type, state, data)
    SELECT coalesce(e.job, job_ids[e.n]), e.seq, e.at, e.type, e.state, e.data
    FROM unnest(event_of, event_jobs, event_seqs, event_at, event_types, event_states, event_data)
      AS e (n, job, seq, at, type, state, data)
    WHERE ok[e.n] AND (e.job IS NULL OR e.job <> ALL (adopted));

  INSERT INTO tutti.feed (era, stored_at, client, job_id, job_created, first_seq, last_seq)
    SELECT (SELECT n FROM tutti.era), now, l.client, l.id, l.created, l.first_seq, l.last_seq FROM (
      SELECT c.n, 0 AS child, c.client, c.id, c.created, c.first_seq, c.last_seq
        FROM unnest(job_clients, job_ids, job_created, job_first_seqs, job_last_seqs)
          WITH ORDINALITY AS c (client, id, created, first_seq, last_seq, n)
      UNION ALL SELECT c.n, c.nth, c.client, c.id, c.created, c.first_seq, c.last_seq
        FROM unnest(child_of, child_clients, child_ids, child_created, child_first_seqs, child_last_seqs)
          WITH ORDINALITY AS c (n, client, id, created, first_seq, last_seq, nth)
        WHERE c.id <> ALL (adopted)) l
    WHERE ok[l.n] AND l.first_seq IS NOT NULL ORDER BY l.n, l.child;

  IF cardinality(record_of) > 0 THEN
    WITH made AS (
      INSERT INTO tutti.records (kind, id, owner, ref, rev, due_at, expires_at, body)
        SELECT DISTINCT ON (r.kind, r.id) r.kind, r.id, r.owner, r.ref, 1, r.due, r.expires, r.body
        FROM unnest(record_of, record_kinds, record_ids, record_owners, record_refs, record_due, record_expires, record_bodies)
          WITH ORDINALITY AS r (n, kind, id, owner, ref, due, expires, body, at)
        WHERE ok[r.n] ORDER BY r.kind, r.id, r.at
      ON CONFLICT (kind, id) DO UPDATE SET owner = excluded.owner, ref = excluded.ref, rev = 1, due_at = excluded.due_at,
        expires_at = excluded.expires_at, body = excluded.body
      WHERE tutti.records.expires_at <= tutti.now_ms()
      RETURNING kind
    )
    SELECT array_agg(DISTINCT kind) INTO kinds FROM made;
  END IF;

  PERFORM tutti.tell(
    freed,
    (SELECT array_agg(c.id) FROM unnest(job_ids) WITH ORDINALITY AS c (id, n) WHERE ok[c.n]),
    revoked,
    due_at,
    kinds);
END $$;

-- Hands out tasks to many polls. Between queues age decides, and within one nobody may overtake: each counts as no older than those
-- before it. A poll of several queues first chooses without locking, so that it locks no more than it takes. Only when others
-- were faster does it lock the best of each queue; what it then locked and did not take is told of, because a poll that came by
-- in that moment was shown an empty queue.
CREATE FUNCTION tutti.lease_tasks(poll_workers text[], poll_queues text[], poll_max int[], poll_lease_ms bigint[])
RETURNS TABLE (poll int, id text, queue text, queue_name text, priority double precision, concurrency_limit int, timeout_ms bigint,
               attempt int, visible_at bigint, pickup_by bigint, token text, expires_at bigint, deadline_at bigint, body text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  n int;
  now bigint := tutti.now_ms();
  queues text[];
  chosen text[];
  locked text[];
  taken text[];
  spurned text[] := '{}';
BEGIN
  FOR n IN 1 .. coalesce(array_length(poll_workers, 1), 0) LOOP
    queues := ARRAY(SELECT DISTINCT queue FROM unnest(string_to_array(poll_queues[n], E'\x1f')) AS queue);
    locked := NULL;
    IF cardinality(queues) = 1 THEN
      SELECT array_agg(c.id ORDER BY c.priority DESC, c.turn, c.arrival) INTO locked
        FROM (SELECT t.id, t.priority, t.turn, t.arrival FROM tutti.tasks t
              WHERE t.state = 'queued' AND t.queue = queues[1] AND t.visible_at <= now
              ORDER BY t.priority DESC, t.turn, t.arrival LIMIT poll_max[n] FOR UPDATE SKIP LOCKED) c;
    ELSE
      SELECT array_agg(a.id ORDER BY a.priority DESC, a.age, a.turn, a.arrival) INTO chosen
        FROM (SELECT c.*, max(c.arrival) OVER (PARTITION BY s.queue, c.priority ORDER BY c.turn, c.arrival) AS age
              FROM unnest(queues) AS s (queue),
              LATERAL (SELECT t.id, t.priority, t.turn, t.arrival FROM tutti.tasks t
                       WHERE t.state = 'queued' AND t.queue = s.queue AND t.visible_at <= now
                       ORDER BY t.priority DESC, t.turn, t.arrival LIMIT poll_max[n]) c) a;
      CONTINUE WHEN chosen IS NULL;
      chosen := chosen[1 : poll_max[n]];
      SELECT array_agg(c.id ORDER BY c.nth) INTO locked
        FROM (SELECT t.id, k.nth FROM unnest(chosen) WITH ORDINALITY AS k (id, nth) JOIN tutti.tasks t ON t.id = k.id
              WHERE t.state = 'queued' AND t.visible_at <= now ORDER BY t.id FOR UPDATE OF t SKIP LOCKED) c;
      IF locked IS NULL THEN
        SELECT array_agg(a.id ORDER BY a.priority DESC, a.age, a.turn, a.arrival) INTO locked
          FROM (SELECT c.*, max(c.arrival) OVER (PARTITION BY s.queue, c.priority ORDER BY c.turn, c.arrival) AS age
                FROM unnest(queues) AS s (queue),
                LATERAL (SELECT t.id, t.priority, t.turn, t.arrival FROM tutti.tasks t
                         WHERE t.state = 'queued' AND t.queue = s.queue AND t.visible_at <= now
                         ORDER BY t.priority DESC, t.turn, t.arrival LIMIT poll_max[n] FOR UPDATE SKIP LOCKED) c) a;
      END IF;
    END IF;
    CONTINUE WHEN locked IS NULL;
    taken := locked[1 : poll_max[n]];
    RETURN QUERY WITH given AS (
      UPDATE tutti.tasks t SET state = 'leased', worker = poll_workers[n], token = gen_random_uuid()::text,
        deadline_at = now + t.timeout_ms,
        expires_at = least(now + poll_lease_ms[n], now + t.timeout_ms)
      FROM unnest(taken) WITH ORDINALITY AS k (id, nth) WHERE t.id = k.id
      RETURNING t.*, k.nth)
      SELECT n, g.id, g.queue, g.queue_name, g.priority, g.concurrency_limit, g.timeout_ms, g.attempt, g.visible_at, g.pickup_by,
             g.token, g.expires_at, g.deadline_at, g.body
      FROM given g ORDER BY g.nth;
    spurned := spurned || locked[poll_max[n] + 1 :];
  END LOOP;
  IF cardinality(spurned) > 0 THEN
    -- Once for all polls: of two notifications that are the same only one is sent.
    PERFORM tutti.tell((SELECT array_agg(t.queue) FROM tutti.tasks t WHERE t.id = ANY (spurned) AND t.state = 'queued'), NULL, NULL, NULL);
  END IF;
END $$;
