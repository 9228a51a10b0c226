-- The history's tables, and views for people who bring SQL.
--
-- Times are Unix seconds, percentages have two decimals, an empty value is unknown. What was
-- seen is kept as runs of equal looks: `polls` of them, from `since` to `until`, at most 66
-- minutes apart. Between two runs nobody looked, or something else was seen.

-- `key` names a user in a workspace without giving either away. Without one the label counts.
CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  key TEXT UNIQUE,
  label TEXT NOT NULL,
  plan TEXT,
  machine TEXT,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL
);

-- One quota window of one account.
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES account (id),
  window TEXT NOT NULL,
  window_seconds INTEGER,
  UNIQUE (account_id, window)
);

-- How much of a window was used. Without `reset_at` the window had not begun, or no reset was told.
CREATE TABLE span (
  series_id INTEGER NOT NULL REFERENCES series (id),
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  polls INTEGER NOT NULL,
  used_percent REAL NOT NULL,
  reset_at INTEGER,
  PRIMARY KEY (series_id, since)
) WITHOUT ROWID;

-- What kind of failure came instead of an answer. An answer in between ends the run.
CREATE TABLE failure (
  account_id INTEGER NOT NULL REFERENCES account (id),
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  polls INTEGER NOT NULL,
  kind TEXT NOT NULL,
  PRIMARY KEY (account_id, since)
) WITHOUT ROWID;

-- Whether the account could be used.
CREATE TABLE state (
  account_id INTEGER NOT NULL REFERENCES account (id),
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  polls INTEGER NOT NULL,
  usable INTEGER,
  on_credits INTEGER,
  limited_by TEXT,
  usable_at INTEGER,
  PRIMARY KEY (account_id, since)
) WITHOUT ROWID;

-- What happened at one moment: `plan_changed`, with the plans before and after.
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  account_id INTEGER REFERENCES account (id),
  window TEXT,
  before TEXT,
  after TEXT
);

-- What an alert rule knows of one account; `account_id` 0 and `window` '' stand for all of them.
-- Rule '' is what all rules saw of it last; `outbox` is what is yet to be told.
CREATE TABLE alert_state (
  rule TEXT NOT NULL,
  account_id INTEGER NOT NULL,
  change TEXT NOT NULL,
  window TEXT NOT NULL DEFAULT '',
  firing INTEGER NOT NULL DEFAULT 0,
  agreeing INTEGER NOT NULL DEFAULT 0,
  since INTEGER,
  told_at INTEGER,
  kept TEXT,
  PRIMARY KEY (rule, account_id, change, window)
) WITHOUT ROWID;

-- The rounds of the last 30 days.
CREATE TABLE round (
  id INTEGER PRIMARY KEY,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  accounts INTEGER NOT NULL,
  ok INTEGER NOT NULL,
  requests INTEGER NOT NULL
);

-- One row for the first and one for the last look of every span. The joins
-- are crossed to keep their order, so that an account's rows are found without a scan.
CREATE VIEW samples AS
SELECT
  account.label AS account,
  account.key AS key,
  series.window AS window,
  CASE look.number WHEN 1 THEN span.since ELSE span.until END AS at,
  strftime(
    '%Y-%m-%dT%H:%M:%SZ',
    CASE look.number WHEN 1 THEN span.since ELSE span.until END,
    'unixepoch'
  ) AS time,
  span.used_percent AS used_percent,
  round(100 - span.used_percent, 2) AS remaining_percent,
  span.reset_at AS reset_at
FROM account
CROSS JOIN series ON series.account_id = account.id
CROSS JOIN span ON span.series_id = series.id
CROSS JOIN (SELECT 1 AS number UNION ALL SELECT 2) AS look
  ON look.number = 1 OR span.until > span.since;

-- The last span of every window. What is dated later than now was seen by a wrong clock.
CREATE VIEW latest AS
SELECT
  account.label AS account,
  account.key AS key,
  account.plan AS plan,
  series.window AS window,
  span.used_percent AS used_percent,
  round(100 - span.used_percent, 2) AS remaining_percent,
  span.reset_at AS reset_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', span.reset_at, 'unixepoch') AS reset_time,
  span.until AS seen_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', span.until, 'unixepoch') AS seen_time
FROM account
CROSS JOIN series ON series.account_id = account.id
CROSS JOIN span ON span.series_id = series.id AND span.since = (
  SELECT max(since) FROM span
  WHERE series_id = series.id AND since <= CAST(strftime('%s', 'now') AS INTEGER)
);

-- Where a window's figure fell and its reset moved.
CREATE VIEW resets AS
SELECT
  account.label AS account,
  account.key AS key,
  series.window AS window,
  step.since AS at,
  strftime('%Y-%m-%dT%H:%M:%SZ', step.since, 'unixepoch') AS time,
  step.used_before AS used_percent_before,
  step.used_percent AS used_percent_after,
  step.reset_before AS told_reset_at
FROM (
  SELECT
    series_id, since, used_percent, reset_at,
    lag(used_percent) OVER earlier AS used_before,
    lag(reset_at) OVER earlier AS reset_before
  FROM span
  WINDOW earlier AS (PARTITION BY series_id ORDER BY since)
) AS step
JOIN series ON series.id = step.series_id
JOIN account ON account.id = series.account_id
WHERE step.used_percent < step.used_before
  AND (
    (step.reset_at IS NULL) <> (step.reset_before IS NULL)
    OR abs(step.reset_at - step.reset_before) > 300
  );
