// Schema version 7: repetitions of complete trials. Each is a row that is written with its batch. Its jobs
// are jobs of the trial with these targets; their results enter the trial's metrics once it is joined.
export const repetitions = `
CREATE TABLE repetitions (
  id INTEGER PRIMARY KEY,
  sweep_id INTEGER NOT NULL REFERENCES sweeps(id) ON DELETE CASCADE,
  trial_id INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  batch INTEGER NOT NULL,
  place INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('measure', 'train')),
  targets TEXT NOT NULL,
  worth TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'joined', 'failed')),
  cause TEXT,
  reason TEXT,
  finished_at TEXT
) STRICT;

CREATE INDEX repetitions_by_sweep ON repetitions (sweep_id, batch);
CREATE INDEX repetitions_by_trial ON repetitions (trial_id);
`;
