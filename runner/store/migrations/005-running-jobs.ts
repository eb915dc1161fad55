// Schema version 5: an index finds the running jobs of a device without reading all jobs. A sweep asks for
// them every second.
export const runningJobs = `
CREATE INDEX jobs_running ON jobs (device) WHERE state = 'running';
`;
