// Schema version 5: the running jobs of a device are found without looking at all that ever ran; asked for each second of a sweep.
export const runningJobs = `
CREATE INDEX jobs_running ON jobs (device) WHERE state = 'running';
`;
