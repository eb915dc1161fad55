// Schema version 10: a sweep's owner increases a counter while it lives, like the holder of a lease.
// `owner_beat_at` is for lists only: no clock decides whether a sweep may be taken over.
export const sweepOwners = `
ALTER TABLE sweeps ADD COLUMN owner_token INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sweeps ADD COLUMN owner_beats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sweeps ADD COLUMN owner_beat_at TEXT;
`;
