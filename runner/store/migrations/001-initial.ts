// Schema version 1. Times are ISO 8601 text; raw results are JSON text exactly as they passed the protocol's schema.
export const initial = `
CREATE TABLE sweeps (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('running', 'complete')),
  config TEXT NOT NULL,
  environment TEXT NOT NULL,
  created_at TEXT NOT NULL,
  finished_at TEXT,
  owner TEXT
) STRICT;

CREATE TABLE candidates (
  id TEXT PRIMARY KEY,
  layout TEXT NOT NULL,
  notation TEXT NOT NULL,
  parameters INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trials (
  id INTEGER PRIMARY KEY,
  sweep_id INTEGER NOT NULL REFERENCES sweeps(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  candidate_id TEXT NOT NULL REFERENCES candidates(id),
  state TEXT NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'complete', 'infeasible', 'failed', 'lost')),
  cause TEXT,
  reason TEXT,
  violation REAL,
  created_at TEXT NOT NULL,
  finished_at TEXT,
  UNIQUE (sweep_id, number),
  UNIQUE (sweep_id, candidate_id)
) STRICT;

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  trial_id INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('measure', 'train')),
  target TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'lost')),
  attempts INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL DEFAULT 0,
  error_code TEXT,
  error_message TEXT,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  UNIQUE (trial_id, kind, target)
) STRICT;

CREATE TABLE measurements (
  job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
  device TEXT NOT NULL,
  agent_sha256 TEXT NOT NULL,
  emulated INTEGER NOT NULL CHECK (emulated IN (0, 1)),
  probe_id INTEGER REFERENCES probes(id),
  request TEXT NOT NULL,
  result TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE scores (
  job_id INTEGER PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
  task TEXT NOT NULL,
  seed INTEGER NOT NULL,
  agent_sha256 TEXT NOT NULL,
  request TEXT NOT NULL,
  result TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE metrics (
  trial_id INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  value REAL NOT NULL,
  unit TEXT NOT NULL,
  stable INTEGER NOT NULL CHECK (stable IN (0, 1)),
  samples TEXT NOT NULL,
  PRIMARY KEY (trial_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
  name TEXT PRIMARY KEY,
  record TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE probes (
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  agent_sha256 TEXT NOT NULL,
  result TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  sweep_id INTEGER REFERENCES sweeps(id) ON DELETE CASCADE,
  trial_id INTEGER REFERENCES trials(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  data TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE INDEX trials_by_sweep ON trials (sweep_id, batch, number);
CREATE INDEX jobs_by_trial ON jobs (trial_id);
CREATE INDEX probes_by_device ON probes (device, id);
CREATE INDEX events_by_sweep ON events (sweep_id, kind, id);
`;
