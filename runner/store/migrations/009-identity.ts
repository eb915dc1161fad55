// Schema version 9: the content that a sweep and each result rest on (profilers/identity.ts); null: written
// before it was recorded. The indexes find the probes of a sweep, and emulated measurements, without reading
// every result.
export const identity = `
ALTER TABLE sweeps ADD COLUMN identity TEXT;
ALTER TABLE measurements ADD COLUMN identity TEXT;
ALTER TABLE scores ADD COLUMN identity TEXT;
CREATE INDEX measurements_by_probe ON measurements (probe_id);
CREATE INDEX measurements_emulated ON measurements (job_id) WHERE emulated = 1;
`;
