// Schema version 2: the origin of each candidate (search/strategy.ts, Origin) as JSON text; null where it was
// not recorded.
export const origins = `
ALTER TABLE trials ADD COLUMN origin TEXT;
`;
