// Schema version 4: the front of each sweep when last computed, and the trials that were added or changed
// since. Triggers record these in the transaction of the change, so neither a crash nor another writer can
// separate a front from its trials.
export const fronts = `
CREATE TABLE fronts (
  sweep_id INTEGER PRIMARY KEY REFERENCES sweeps(id) ON DELETE CASCADE,
  objectives TEXT NOT NULL
) STRICT;

CREATE TABLE front_members (
  sweep_id INTEGER NOT NULL REFERENCES sweeps(id) ON DELETE CASCADE,
  trial_id INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  PRIMARY KEY (sweep_id, trial_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE front_changes (
  sweep_id INTEGER NOT NULL REFERENCES sweeps(id) ON DELETE CASCADE,
  trial_id INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  PRIMARY KEY (sweep_id, trial_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX trials_by_state ON trials (sweep_id, state);

CREATE TRIGGER trial_ended AFTER UPDATE OF state ON trials WHEN NEW.state = 'complete' OR OLD.state = 'complete' BEGIN
  INSERT OR IGNORE INTO front_changes VALUES (NEW.sweep_id, NEW.id);
END;

CREATE TRIGGER trial_added AFTER INSERT ON trials WHEN NEW.state = 'complete' BEGIN
  INSERT OR IGNORE INTO front_changes VALUES (NEW.sweep_id, NEW.id);
END;

CREATE TRIGGER trial_measured AFTER INSERT ON metrics BEGIN
  INSERT OR IGNORE INTO front_changes SELECT sweep_id, id FROM trials WHERE id = NEW.trial_id AND state = 'complete';
END;

CREATE TRIGGER trial_measured_again AFTER UPDATE ON metrics BEGIN
  INSERT OR IGNORE INTO front_changes SELECT sweep_id, id FROM trials WHERE id = NEW.trial_id AND state = 'complete';
END;
`;
