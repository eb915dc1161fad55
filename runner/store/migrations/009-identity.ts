// Schema version 9: what numbers rest on, by content (profilers/identity.ts), of a sweep and of each result. Null: written before it was kept.
// The indexes find the probes that a sweep measured with, and what an emulator took, without reading every result.
export const identity = `
ALTER TABLE sweeps ADD COLUMN identity TEXT;
ALTER TABLE measurements ADD COLUMN identity TEXT;
ALTER TABLE scores ADD COLUMN identity TEXT;
CREATE INDEX measurements_by_probe ON measurements (probe_id);
CREATE INDEX measurements_emulated ON measurements (job_id) WHERE emulated = 1;
`;
