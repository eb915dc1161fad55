// Schema version 11: confirmations of a choice. The request (rule, budgets, sessions, seeds) and the result
// are JSON. The jobs are those of the trials, with targets that name the confirmation (`local#confirm1.2`,
// `text#confirm1:1000002`).
export const confirmations = `
CREATE TABLE confirmations (
  id INTEGER PRIMARY KEY,
  sweep_id INTEGER NOT NULL REFERENCES sweeps(id) ON DELETE CASCADE,
  request TEXT NOT NULL,
  first_seed INTEGER NOT NULL,
  result TEXT,
  created_at TEXT NOT NULL,
  finished_at TEXT
) STRICT;

CREATE UNIQUE INDEX confirmations_by_request ON confirmations (sweep_id, request);
`;
