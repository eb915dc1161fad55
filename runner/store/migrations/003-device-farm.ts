// Schema version 3: the current user of a device (leases), the state of a device (health), and events that
// name a device and a cause.
export const deviceFarm = `
ALTER TABLE events ADD COLUMN device TEXT;
ALTER TABLE events ADD COLUMN cause TEXT;
CREATE INDEX events_by_device ON events (device, kind, id) WHERE device IS NOT NULL;

ALTER TABLE jobs ADD COLUMN device TEXT;
ALTER TABLE measurements ADD COLUMN lease_token INTEGER;

CREATE TABLE leases (
  device TEXT PRIMARY KEY,
  token INTEGER NOT NULL,
  beats INTEGER NOT NULL,
  holder TEXT,
  wanted TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE device_health (
  device TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('ready', 'cooling', 'lost', 'quarantined')),
  cause TEXT,
  reason TEXT,
  readmission TEXT CHECK (readmission IN ('sentinel', 'restore')),
  forgiven INTEGER NOT NULL DEFAULT 0,
  boot_id TEXT,
  temperature_c REAL,
  temperature_at TEXT,
  changed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;
