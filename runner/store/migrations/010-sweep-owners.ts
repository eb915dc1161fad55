// A sweep's owner proves that it lives by beats, as the holder of a lease does. `owner_beat_at` is for lists only: no clock decides whether
// a sweep may be taken over.
export const sweepOwners = `
ALTER TABLE sweeps ADD COLUMN owner_token INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sweeps ADD COLUMN owner_beats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sweeps ADD COLUMN owner_beat_at TEXT;
`;
