// Schema version 8: a metric knows which of its samples were taken in one session. JSON list of counts; null: all of one session. The index
// finds what a device repeated in earlier sweeps without reading every metric.
export const sessions = `
ALTER TABLE metrics ADD COLUMN sessions TEXT;
CREATE INDEX metrics_repeated ON metrics (name, trial_id) WHERE sessions IS NOT NULL;
`;
