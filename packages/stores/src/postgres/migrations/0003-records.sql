-- Small documents beside the jobs, and the budgets that all instances share.

CREATE TABLE tutti.records (
  kind       text NOT NULL,
  -- In the order of code units, whatever language the database speaks.
  id         text COLLATE "C" NOT NULL,
  owner      text,
  ref        text,
  rev        bigint NOT NULL,
  due_at     bigint,
  expires_at bigint,
  body       text NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX records_of_owner ON tutti.records (kind, owner, id) WHERE owner IS NOT NULL;
CREATE INDEX records_of_ref ON tutti.records (kind, ref, id) WHERE ref IS NOT NULL;
CREATE INDEX records_due ON tutti.records (kind, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX records_expiring ON tutti.records (expires_at) WHERE expires_at IS NOT NULL;

-- Takes or refuses each record on its own. They are written in the order of their ids, so that no two batches can wait for each other.
CREATE FUNCTION tutti.put_records(kinds text[], ids text[], owners text[], refs text[], revs bigint[], dues bigint[], expiries bigint[],
                                  bodies text[])
RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  r record;
  taken boolean[] := array_fill(false, ARRAY[cardinality(ids)]);
  changed text[] := '{}';
  due bigint;
BEGIN
  FOR r IN
    SELECT * FROM unnest(kinds, ids, owners, refs, revs, dues, expiries, bodies)
      WITH ORDINALITY AS t (kind, id, owner, ref, rev, due_at, expires_at, body, at)
    ORDER BY kind, id COLLATE "C", at
  LOOP
    IF r.rev = 1 THEN
      INSERT INTO tutti.records AS old (kind, id, owner, ref, rev, due_at, expires_at, body)
        VALUES (r.kind, r.id, r.owner, r.ref, 1, r.due_at, r.expires_at, r.body)
        ON CONFLICT (kind, id) DO UPDATE SET owner = r.owner, ref = r.ref, rev = 1, due_at = r.due_at, expires_at = r.expires_at, body = r.body
        WHERE old.expires_at <= tutti.now_ms();
    ELSE
      UPDATE tutti.records SET owner = r.owner, ref = r.ref, rev = r.rev, due_at = r.due_at, expires_at = r.expires_at, body = r.body
        WHERE kind = r.kind AND id = r.id AND rev = r.rev - 1 AND (expires_at IS NULL OR expires_at > tutti.now_ms());
    END IF;
    IF FOUND THEN
      taken[r.at] := true;
      changed := changed || r.kind::text;
      due := least(due, r.due_at);
    END IF;
  END LOOP;
  IF cardinality(changed) > 0 THEN
    PERFORM tutti.tell(NULL, NULL, NULL, due, ARRAY(SELECT DISTINCT kind FROM unnest(changed) AS kind));
  END IF;
  RETURN taken;
END $$;

-- `amount` at the instant `at`: what a bucket held, or what was taken from a window.
CREATE TABLE tutti.budgets (
  key      text PRIMARY KEY,
  kind     text NOT NULL CHECK (kind IN ('bucket', 'window')),
  amount   double precision NOT NULL,
  at       bigint NOT NULL,
  -- When it is as if it had never been drawn from: it may be forgotten.
  fresh_at bigint
) WITH (fillfactor = 50);

-- The arithmetic of budget.ts, with the budgets' rows locked, in the order of their keys.
CREATE FUNCTION tutti.draw(keys text[], wants double precision[], partials boolean[], kinds text[], capacities double precision[],
                           refills double precision[], untils bigint[])
RETURNS TABLE (granted double precision, remaining double precision, retry_at bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  n int;
  now bigint;
  old tutti.budgets;
  before double precision;
  after double precision;
  given double precision;
  rest double precision;
  ends bigint;
  retry bigint;
BEGIN
  INSERT INTO tutti.budgets AS b (key, kind, amount, at)
    SELECT DISTINCT ON (d.key) d.key, d.kind, CASE d.kind WHEN 'bucket' THEN d.capacity ELSE 0 END, coalesce(d.until, tutti.now_ms())
    FROM unnest(keys, kinds, capacities, untils) AS d (key, kind, capacity, until) ORDER BY d.key
    ON CONFLICT (key) DO UPDATE SET key = excluded.key;
  -- Only now: waiting for others may have taken a while, and nobody may go back behind their instant.
  now := tutti.now_ms();
  FOR n IN 1 .. cardinality(keys) LOOP
    SELECT * INTO old FROM tutti.budgets b WHERE b.key = keys[n];
    IF kinds[n] = 'bucket' THEN
      before := CASE WHEN old.kind = 'bucket' THEN least(capacities[n], old.amount + greatest(0, now - old.at) * refills[n]) ELSE capacities[n] END;
      ends := greatest(now, CASE WHEN old.kind = 'bucket' THEN old.at END);
    ELSE
      before := CASE WHEN old.kind = 'window' AND old.at >= untils[n] THEN capacities[n] - old.amount ELSE capacities[n] END;
      ends := greatest(untils[n], CASE WHEN old.kind = 'window' THEN old.at END);
    END IF;
    given := CASE
      WHEN wants[n] < 0 THEN greatest(wants[n], least(0, before - capacities[n]))
      WHEN wants[n] <= before + 1e-6 THEN wants[n]
      WHEN partials[n] THEN greatest(0, floor(before + 1e-6))
      ELSE 0 END;
    after := least(capacities[n], before - given);
    rest := greatest(0, wants[n]) - greatest(0, given);
    retry := CASE
      WHEN rest <= 0 OR rest > capacities[n] THEN NULL
      WHEN kinds[n] = 'window' THEN ends
      WHEN refills[n] > 0 THEN least(9e15, ceil(now + (rest - after) / refills[n]))::bigint END;
    UPDATE tutti.budgets b SET kind = kinds[n], at = ends,
      amount = CASE kinds[n] WHEN 'bucket' THEN after ELSE capacities[n] - after END,
      fresh_at = CASE
        WHEN kinds[n] = 'window' THEN ends
        WHEN refills[n] > 0 THEN least(9e15, ceil(ends + (capacities[n] - after) / refills[n]))::bigint END
      WHERE b.key = keys[n];
    granted := given;
    remaining := greatest(0, after);
    retry_at := retry;
    RETURN NEXT;
  END LOOP;
END $$;
