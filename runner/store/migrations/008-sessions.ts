// Schema version 8: a metric records which samples were taken in one session, as a JSON list of counts; null:
// all in one session. The index finds a device's repeated metrics in earlier sweeps without reading every
// metric.
export const sessions = `
ALTER TABLE metrics ADD COLUMN sessions TEXT;
CREATE INDEX metrics_repeated ON metrics (name, trial_id) WHERE sessions IS NOT NULL;
`;
